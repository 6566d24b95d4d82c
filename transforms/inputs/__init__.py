"""What --input stands for: folders, globs, input lists, archives, as a stream of pictures."""
