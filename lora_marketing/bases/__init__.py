"""Foundation models: where they lie, and their fingerprints."""
