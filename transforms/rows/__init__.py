"""Rows and their files: schema, formats, staging, merging, publishing, reading."""
