"""Foundation models: finds their files, converts GGUF files, and computes fingerprints."""
