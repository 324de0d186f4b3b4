"""Distinct: the share of words, and of pairs of words, that are not said again anywhere in the set.

Li et al. 2016, N16-1014. It falls as a set grows: compare sets of the same size only, as the paired
comparison does. Chinese is taken by characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import nan

from lora_marketing.metrics import Counts, Figure, MeasuredText
from lora_marketing.text.words import ngrams, words


def distinct(texts: Sequence[str], n: int) -> float:
    """Different runs of `n` words by all runs of `n` words; runs do not go from one text into the next."""
    runs = [run for text in texts for run in ngrams(words(text), n)]
    return len(set(runs)) / len(runs) if runs else nan


FIGURES = {
    f"distinct_{n}": Figure(f"distinct-{n}", "share", "more", whole=partial(distinct, n=n)) for n in (1, 2)
}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """Nothing: what is new in one text depends on all others."""
    return iter([{} for _ in texts])
