"""Decoders, and what the headers of a format say before it is decoded."""
