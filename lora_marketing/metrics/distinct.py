"""Distinct-1 and distinct-2: the number of different words (pairs of words) divided by the number of all.

Li et al. 2016, N16-1014. It falls as a set grows, so only sets of the same size can be compared, as the
paired comparison does. Each Chinese character counts as a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import nan

from lora_marketing.metrics import Counts, Figure, MeasuredText
from lora_marketing.text.words import ngrams, words


def distinct(texts: Sequence[str], n: int) -> float:
    """Different n-grams divided by all n-grams of the texts, or NaN without any; none crosses two texts."""
    runs = [run for text in texts for run in ngrams(words(text), n)]
    return len(set(runs)) / len(runs) if runs else nan


FIGURES = {
    f"distinct_{n}": Figure(f"distinct-{n}", "share", "more", whole=partial(distinct, n=n)) for n in (1, 2)
}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """No counts: whether an n-gram is new depends on all texts, so `Figure.whole` computes these figures."""
    return iter([{} for _ in texts])
