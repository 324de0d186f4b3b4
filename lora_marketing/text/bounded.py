"""Searches and normalises any text, also a hostile one, in a time that is linear in its length."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Literal
from unicodedata import combining, normalize

WINDOW, REACH = 2048, 256
"""Characters in one search window, and how many of them the next window repeats."""
MARKS = 30
"""The most combining marks kept on one letter; no language has so many (Unicode's stream-safe format)."""
_MANY_MARKS = re.compile(rf"[^\w\x00-\u02ff\u2000-\u206f]{{{MARKS + 1},}}")
Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
Span = tuple[int, int]
"""Start and end of a passage in the original text, in characters; `end` is exclusive."""


def matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """Like `pattern.finditer`, but searches in windows, so that a quadratic pattern stays linear in the text.

    In a text of more than `WINDOW` characters, a match longer than `REACH` characters may be cut.
    """
    place = 0
    while len(text) - place > WINDOW:
        end = place + WINDOW
        place = end - REACH
        for found in pattern.finditer(text, end - WINDOW, end):
            if found.start() >= end - REACH:
                break
            yield found
            place = max(place, found.end())
    yield from pattern.finditer(text, place)


def normalized(form: Form, text: str) -> str:
    """`unicodedata.normalize` that first drops combining marks beyond `MARKS` on one letter.

    Normalising sorts the marks of a letter, which takes the square of their number.
    """
    return normalize(form, _MANY_MARKS.sub(_fewer_marks, text))


def _fewer_marks(run: re.Match[str]) -> str:
    kept: list[str] = []
    count = 0
    for sign in run.group():
        count = count + 1 if combining(sign) else 0
        if count <= MARKS:
            kept.append(sign)
    return "".join(kept)


class Spans:
    """A fixed set of spans, with fast tests whether one of them covers or touches another span."""

    def __init__(self, spans: Iterable[Span]) -> None:
        ordered = sorted(spans)
        self._starts = [start for start, _ in ordered]
        self._ends = list(accumulate((end for _, end in ordered), max))

    def cover(self, start: int, end: int) -> bool:
        """Whether one span holds all characters from `start` to `end`."""
        before = bisect_right(self._starts, start)
        return before > 0 and self._ends[before - 1] >= end

    def touch(self, start: int, end: int) -> bool:
        """Whether a span holds some character from `start` to `end`."""
        before = bisect_left(self._starts, end)
        return before > 0 and self._ends[before - 1] > start


class Apart:
    """A growing set of spans that do not overlap: `take` refuses a span that touches one taken before."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def touch(self, start: int, end: int) -> bool:
        """Whether a span holds some character from `start` to `end`."""
        before = bisect_left(self._starts, end)
        return before > 0 and self._ends[before - 1] > start

    def take(self, start: int, end: int) -> bool:
        """Add a span unless it touches another one; return whether it was added."""
        if self.touch(start, end):
            return False
        place = bisect_left(self._starts, start)
        self._starts.insert(place, start)
        self._ends.insert(place, end)
        return True
