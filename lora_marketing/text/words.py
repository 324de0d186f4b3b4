"""Words: the one way that metrics and guards split a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lora_marketing.text.scripts import UNSPACED

_WORD = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+(?:['’][^\W{UNSPACED}]+)*")


@lru_cache(maxsize=16384)
def words(text: str) -> tuple[str, ...]:
    """Words in lower case without punctuation; Chinese characters and kana are words of their own.

    >>> words("Don't wait. 薄霜 680 克")
    ("don't", 'wait', '薄', '霜', '680', '克')
    """
    return tuple(word for word, _, _ in word_spans(text))


def word_spans(text: str) -> Iterator[tuple[str, int, int]]:
    """Each of `words`, the place of its first character in `text`, and the place after its last."""
    for found in _WORD.finditer(text):
        yield found[0].casefold(), found.start(), found.end()


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of `n` tokens, in order."""
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))
