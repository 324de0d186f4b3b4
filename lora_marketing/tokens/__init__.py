"""From chat messages to tokens: chat templates, rendered rows, prefix trees. Nothing here needs torch."""
