"""Answers of people: every form in which tools write them, read as one list."""
