"""The report on a finished run: one HTML file that needs nothing else."""
