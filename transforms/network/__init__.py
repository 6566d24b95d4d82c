"""From pixels to classes: the model on a worker, ranking, names of classes."""
