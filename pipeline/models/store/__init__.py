"""Network files: downloaded, verified, kept in the user's cache."""
