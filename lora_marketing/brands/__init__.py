"""A client's voice, what it may claim, its briefs and its texts: plain YAML and JSON lines."""
