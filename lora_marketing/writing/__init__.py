"""Writing: one base in memory, many adapters, each row of a batch with its own."""
