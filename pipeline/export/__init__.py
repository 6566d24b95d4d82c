"""The rows of a finished run as files that other tools open."""
