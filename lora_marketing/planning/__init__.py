"""What a run needs before it starts: memory, time, batches.

No torch, no weights: sizes, tokenised rows, arithmetic.
"""
