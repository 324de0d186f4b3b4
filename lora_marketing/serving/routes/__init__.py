"""One file a group of HTTP paths."""
