"""Turns chat messages into token ids, and rows of token ids into prefix trees. Nothing here needs torch."""
