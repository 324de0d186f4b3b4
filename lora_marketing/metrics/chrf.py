"""chrF: how many character n-grams a text shares with the one a person wrote for the same brief.

Popović 2015, W15-3049, as sacrebleu computes it (n up to 6, beta 2). It needs no words, so Chinese
counts like English. Copy may be good and share little: compare settings with it, not brands.
"""

from __future__ import annotations

from collections.abc import Sequence


def chrf(texts: Sequence[str], references: Sequence[str]) -> float:
    """Corpus chrF of `texts` against one reference each: 0 (nothing shared) to 100 (the same)."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().corpus_score(list(texts), [list(references)]).score)
