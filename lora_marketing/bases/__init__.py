"""Bases: pinned, 4-bit quantized foundation models and their fingerprints."""
