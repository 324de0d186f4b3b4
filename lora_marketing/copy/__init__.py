"""Written copy: its record, its mending, its ranking."""
