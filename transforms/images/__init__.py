"""From encoded bytes to the pixels that a network is fed."""
