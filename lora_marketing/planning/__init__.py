"""Plans: what a run needs before it starts. No torch, no weights: sizes, tokenised rows, arithmetic."""
