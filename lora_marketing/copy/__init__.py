"""Written copy: its record with provenance, small mendings, and the choice between several."""
