"""The few words around a quantity, within its clause, and what they are about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from lora_marketing.text._cues import (
    CONCEPT,
    ELSEWHERE,
    EVERYWHERE,
    GENERIC_COUNTED,
    ONLY_ON,
    OTHER_SPAN,
    PARTLY,
    PERIODS,
    RATES,
    RIGHT_RATE,
    SOME_OF,
    STOP_WORDS,
)
from lora_marketing.text.quantities import Quantity
from lora_marketing.text.scripts import HAN

BEFORE, AFTER = 48, 36
"""Characters around a quantity that say what is meant by it."""
SENTENCE = 64
"""Characters before and behind a quantity that say what it is of."""
_CLAUSE = re.compile(r"(?<!\bca)(?<!\bmax)(?<!\bmin)(?<!approx)[.!?](?=\s|$)|[;。…\n]")
_COMMA = re.compile(r"[,、，(（]")
_LEADER = re.compile(r"([a-z]{3,20})(?: of|:)?[\s-]$")
_SAYS_NOTHING = " ()[]{},.:'\""
_WORD = re.compile(rf"[a-z][a-z'-]{{2,}}|[{HAN}]+")


@dataclass(frozen=True)
class Surroundings:
    """The words around a quantity, none of them beyond its neighbours.

    Args:
        label: what stands before a colon in its clause: an attribute's name.
        left: the words right before it, from the last comma on.
        right: the words right behind it, up to a comma.
        before: all of its sentence before it that is near, beyond other quantities too.
        after: likewise behind it.
    """

    label: str
    left: str
    right: str
    before: str
    after: str

    @cached_property
    def led(self) -> bool:
        """Whether any word or telling sign stands before the quantity."""
        return bool(self.left.strip(_SAYS_NOTHING))

    @cached_property
    def followed(self) -> bool:
        """Whether any word or telling sign stands behind the quantity."""
        return bool(self.right.strip(_SAYS_NOTHING))

    @cached_property
    def subjects(self) -> frozenset[str]:
        """What the sentence speaks of: concepts in capitals, and beginnings of words."""
        before, after = _CLAUSE.split(self.before)[-1], _CLAUSE.split(self.after, maxsplit=1)[0]
        return _subjects(f"{before} {after}")

    @cached_property
    def nouns(self) -> frozenset[str]:
        """Of the subjects what stands right behind the quantity: what is counted."""
        return _nouns(self.right)

    @cached_property
    def leader(self) -> str:
        """The word right before the quantity: SPF 50, serves 6, a staff of twelve; an attribute's name."""
        found = _LEADER.search(self.left)
        return found[1] if found else ""

    @cached_property
    def everywhere(self) -> bool:
        """Whether an offer is to hold for everything."""
        return bool(EVERYWHERE.search(self.left) or EVERYWHERE.search(self.right))

    @cached_property
    def restricted(self) -> bool:
        """Whether an offer is to hold for something named (30 % off sunglasses)."""
        partly = ONLY_ON.match(self.right) or PARTLY.search(self.left) or PARTLY.search(self.right)
        return partly is not None and not EVERYWHERE.search(self.right)

    @cached_property
    def elsewhere(self) -> bool:
        """Whether it is somebody else's price."""
        return ELSEWHERE.search(self.right) is not None

    @cached_property
    def partial(self) -> bool:
        """Whether it is some of many: the first nine lessons, two lessons a week."""
        often = RIGHT_RATE.search(self.right)
        told = often and RATES.get(often["per"] or often["ly"] or often["zh"] or "")
        return SOME_OF.search(self.left) is not None or told in PERIODS

    @cached_property
    def meanwhile(self) -> bool:
        """Whether it is a time that something takes, not one that it lasts."""
        return OTHER_SPAN.search(self.left) is not None


def surroundings(text: str, one: Quantity, start: int, end: int) -> Surroundings:
    """Read around a quantity of a `View`'s text, whose neighbours end at `start` and begin at `end`."""
    left, right = text[max(start, one.start - BEFORE) : one.start], text[one.end : min(end, one.end + AFTER)]
    label = ""
    if left.strip(_SAYS_NOTHING):
        left = _CLAUSE.split(left)[-1]
        label = left.partition(":")[0] if ":" in left else ""
        left = _COMMA.split(left)[-1]
    if right.strip(_SAYS_NOTHING):
        right = _COMMA.split(_CLAUSE.split(right, maxsplit=1)[0], maxsplit=1)[0]
    before = text[max(0, one.start - SENTENCE) : one.start]
    return Surroundings(label, left, right, before, text[one.end : one.end + SENTENCE])


def _subjects(text: str) -> frozenset[str]:
    """Concepts in capitals, beginnings of Latin words, Chinese characters in pairs."""
    found = {match.lastgroup.upper() for match in CONCEPT.finditer(text) if match.lastgroup}
    for word in _WORD.findall(text):
        if not word.isascii():
            found |= {word[at : at + size] for size in (1, 2) for at in range(len(word) - size + 1)}
        elif word not in STOP_WORDS:
            found.add(_stem(word))
    return frozenset(found)


def _stem(word: str) -> str:
    """Beds and bed, Lektionen and Lektion begin alike."""
    return (word[:-1] if word.endswith("s") and len(word) > 3 else word)[:5]


def _nouns(after: str) -> frozenset[str]:
    """The two words behind a number, or the two Chinese characters."""
    text = after.lstrip(" -")
    first = _WORD.match(text)
    if not first:
        return frozenset()
    if not first[0].isascii():
        han = (first[0].lstrip(GENERIC_COUNTED) or first[0])[:3]
        if han[0] in GENERIC_COUNTED:
            return frozenset(han[0])
        return frozenset({*han[:2], han[:2], han[1:3]} - {""} - set(GENERIC_COUNTED))
    words = [word for word in _WORD.findall(text)[:2] if word not in STOP_WORDS and word.isascii()]
    concepts = (match.lastgroup for match in CONCEPT.finditer(" ".join(words)))
    return frozenset(map(_stem, words)) | {one.upper() for one in concepts if one}
