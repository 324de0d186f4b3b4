"""A client's voice, claims, briefs and texts."""
