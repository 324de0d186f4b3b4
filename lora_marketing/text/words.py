"""Words as several metrics count them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+(?:['’](?:(?![{_UNSPACED}])\w)+)*")


@lru_cache(maxsize=16384)
def words(text: str) -> tuple[str, ...]:
    """Words in lower case without punctuation; Chinese characters and kana are words of their own.

    >>> words("Don't wait. 薄霜 680 克")
    ("don't", 'wait', '薄', '霜', '680', '克')
    """
    return tuple(_WORD.findall(text.casefold()))


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All runs of `n` tokens, in order."""
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))
