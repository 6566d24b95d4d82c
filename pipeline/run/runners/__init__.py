"""Where a run is executed: Beam's runners, Dataflow, worker processes, live counts."""
