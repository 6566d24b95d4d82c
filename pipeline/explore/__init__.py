"""Near-duplicates, search by picture, and what a person should label next."""
