"""From recipes to published versions: one run, a fleet of runs, a smoke run."""
