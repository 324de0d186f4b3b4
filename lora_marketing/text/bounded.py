"""Reading any text in a time that grows with its length, and no faster: patterns, accents, spans."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Literal
from unicodedata import combining, normalize

WINDOW, REACH = 2048, 256
"""Characters that a pattern looks at in one go, and those of them that the next go sees again."""
MARKS = 30
"""Marks on one letter that are read; no language has so many (Unicode's stream-safe format)."""
_MANY_MARKS = re.compile(rf"[^\w\x00-\u02ff\u2000-\u206f]{{{MARKS + 1},}}")
Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
Span = tuple[int, int]
"""The first character and the one after the last, in the text as it was given."""


def matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """What `pattern.finditer` finds, in windows: a pattern may take the square of a window, not of a text.

    In a text that is longer than a window, a match of more than `REACH` characters may be found in part.
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
    """Unicode's normal form, without what a letter carries beyond `MARKS` marks.

    Sorting marks takes the square of their number.
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
    """Spans to be asked many times whether they cover or touch another one."""

    def __init__(self, spans: Iterable[Span]) -> None:
        ordered = sorted(spans)
        self._starts = [start for start, _ in ordered]
        self._ends = list(accumulate((end for _, end in ordered), max))

    def cover(self, start: int, end: int) -> bool:
        """Whether one of them holds all from `start` to `end`."""
        before = bisect_right(self._starts, start)
        return before > 0 and self._ends[before - 1] >= end

    def touch(self, start: int, end: int) -> bool:
        """Whether one of them holds some of it."""
        before = bisect_left(self._starts, end)
        return before > 0 and self._ends[before - 1] > start


class Apart:
    """Spans that do not overlap: one that touches another is not taken in."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def touch(self, start: int, end: int) -> bool:
        """Whether one of them holds some of what stands from `start` to `end`."""
        before = bisect_left(self._starts, end)
        return before > 0 and self._ends[before - 1] > start

    def take(self, start: int, end: int) -> bool:
        """Take a span in, unless it touches another one; whether it was taken."""
        if self.touch(start, end):
            return False
        place = bisect_left(self._starts, start)
        self._starts.insert(place, start)
        self._ends.insert(place, end)
        return True
