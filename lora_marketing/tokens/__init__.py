"""From chat messages to tokens and prefix trees.

Nothing here needs torch.
"""
