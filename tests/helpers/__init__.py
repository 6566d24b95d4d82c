"""What tests share: pictures, servers, runs. No tests."""
