"""From one format of a network to another, and where two networks differ."""
