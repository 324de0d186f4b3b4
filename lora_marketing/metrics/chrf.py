"""chrF: how many character n-grams a text shares with the one a person wrote for the same brief.

Popović 2015, W15-3049, as sacrebleu computes it (n up to 6, beta 2). It needs no word boundaries, so it
works for Chinese as for English. Good copy may share little with its reference: use chrF to compare settings
of one brand, not to compare brands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lora_marketing.metrics import Counts, Figure, MeasuredText

ORDER, BETA = 6, 2


def chrf(texts: Sequence[str], references: Sequence[str]) -> float:
    """Corpus chrF of `texts` against one reference each: 0 (nothing shared) to 100 (the same)."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().corpus_score(list(texts), [list(references)]).score)


def _score(sums: Sequence[float]) -> float:
    """chrF of the n-grams in text, reference and both; sizes that one side lacks do not count."""
    sizes = [sums[3 * n : 3 * n + 3] for n in range(ORDER)]
    both = [size for size in sizes if size[0] and size[1]]
    precision = sum(shared / written for written, _, shared in both)
    recall = sum(shared / referenced for _, referenced, shared in both)
    if not precision + recall:
        return 0.0
    weight = BETA * BETA
    return 100 * (1 + weight) * precision * recall / (weight * precision + recall) / len(both)


FIGURES = {"chrf": Figure("chrF", "points", "more", _score)}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """For each n-gram size, the numbers of n-grams in the text, in its nearest reference, and in both.

    sacrebleu does not give these counts out, and bootstrap intervals need them.
    """
    for written in texts:
        own = _ngrams(written.text)
        against = [_shared(own, _ngrams(reference)) for reference in written.references]
        yield {"chrf": max(against, key=_score)} if against else {}


def _ngrams(text: str) -> list[Counter[str]]:
    joined = "".join(text.split())
    return [Counter(joined[i : i + n] for i in range(len(joined) - n + 1)) for n in range(1, ORDER + 1)]


def _shared(own: Sequence[Counter[str]], other: Sequence[Counter[str]]) -> Counts:
    pairs = list(zip(own, other, strict=True))
    # as in sacrebleu, a size that the reference lacks does not count
    sizes = [(a.total() if b else 0, b.total(), (a & b).total()) for a, b in pairs]
    return tuple(number for size in sizes for number in size)
