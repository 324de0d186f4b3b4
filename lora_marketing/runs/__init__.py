"""From a recipe to a published version: one run, many, smoke."""
