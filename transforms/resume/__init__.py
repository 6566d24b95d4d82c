"""Rows of earlier runs: which are kept, and how they get into the new files."""
