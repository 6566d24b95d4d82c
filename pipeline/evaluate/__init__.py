"""A finished run held against the truth."""
