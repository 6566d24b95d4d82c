"""A labelling run: options, graph, start, resuming, the plan before and the summary after."""
