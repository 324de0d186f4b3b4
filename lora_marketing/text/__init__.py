"""Reads texts for guards, metrics and ranking: spelling, words, quantities, values, known texts."""
