"""Labels learned from some pictures of a run and given to all."""
