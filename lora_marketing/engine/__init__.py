"""One base in memory, many adapters: rows of all brands join and leave one running batch."""
