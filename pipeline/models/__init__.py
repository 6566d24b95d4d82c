"""Networks: by name, path or address, as an object to call, described and compared."""
