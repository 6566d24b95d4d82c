"""Measures quantlabel against other ways to do the same work. Start with `python -m benchmarks`."""
