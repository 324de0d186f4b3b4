"""One base in memory, many adapters, one running batch."""
