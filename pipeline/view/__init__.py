"""The page of a finished run from a server on this machine: `quantlabel view`."""
