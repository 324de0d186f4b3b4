"""Splits texts into words, the same way for all metrics and guards."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lora_marketing.text.scripts import UNSPACED

_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:['’][^\W{UNSPACED}]+)*")


@lru_cache(maxsize=16384)
def words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation; each Chinese character or kana is a word.

    >>> words("Don't wait. 薄霜 680 克")
    ("don't", 'wait', '薄', '霜', '680', '克')
    """
    return tuple(word for word, _, _ in word_spans(text))


def word_spans(text: str) -> Iterator[tuple[str, int, int]]:
    """Each word of a text, as in `words`, with its start and end (exclusive) in `text`."""
    for found in _WORD.finditer(text):
        yield found[0].casefold(), found.start(), found.end()


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All n-grams of `tokens`, in order."""
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))
