"""A/B tests of texts: read the results, say which text is better and whether that is decided."""
