"""Plans a run before it starts: its memory, micro-batches, time and cost.

Nothing here needs torch or weights: a plan is computed from the base's sizes and the tokenised rows.
"""
