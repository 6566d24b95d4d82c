"""Exports that are tables of a lakehouse: they stay in place and get a snapshot each time."""
