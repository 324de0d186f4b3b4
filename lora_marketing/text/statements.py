"""What a text states with a quantity: its role (now, before, off ...), its bound (from, up to ...), what it
is counted by (a month, a person), what it holds for, and what it speaks of.

Everything is read out of the few words around a quantity, within its clause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from lora_marketing.text._cues import (
    CONCEPT,
    ELSEWHERE,
    EVERYWHERE,
    EXTENTS,
    FILLER,
    GENERIC_COUNTED,
    LEFT_BOUND,
    LEFT_RATE,
    LEFT_ROLE,
    NOT_THE_SUBJECT,
    ONLY_ON,
    OTHER_SPAN,
    PARTLY,
    RATES,
    RIGHT_BOUND,
    RIGHT_RATE,
    RIGHT_ROLE,
    SOME_OF,
    STOP_WORDS,
)
from lora_marketing.text.bounded import Span
from lora_marketing.text.normalise import View
from lora_marketing.text.quantities import Quantity, quantities
from lora_marketing.text.regions import ANYWHERE, Region
from lora_marketing.text.scripts import HAN
from lora_marketing.text.units import MONEY, TIME

Role = Literal["", "price", "before", "now", "discount", "threshold", "fee", "second"]
Bound = Literal["exact", "from", "up to", "at least", "over", "under", "about"]
BEFORE, AFTER = 48, 36
"""Characters around a quantity that are read."""
SENTENCE = 64
"""Characters before and behind a quantity that say what it is of."""
ABOUT = Decimal("0.1")
"""How far what is about a value may be from it, as a share of it."""
ATTAINED = ("from", "up to")
"""Bounds that are somewhere reached: who leaves them out promises more than was given."""
_POINTS = frozenset({"date", "time", "phone", "year"})
"""Kinds that have no more and no less here."""
_CLAUSE = re.compile(r"(?<!\bca)(?<!\bmax)(?<!\bmin)(?<!approx)[.!?](?=\s|$)|[;。…\n]")
_COMMA = re.compile(r"[,、，(（]")
_WORD = re.compile(rf"[a-z][a-z'-]{{2,}}|[{HAN}]+")
_OFF = re.compile(
    r"\s?(?:(?:off|rabatt|discount|sparen|gunstiger)(?: (?:on|for|from))?"
    r"|(?:(?:off|rabatt|discount|sparen) )?(?:over|ab|bei|uber|when you spend|on orders over))\s"
)
_TO = re.compile(r"\W*(?:\b(?:to|auf|zu)|到|至|降至|→|->|[-–—])\W*$")


@dataclass(frozen=True)
class Statement:
    """A quantity, and what the words around it make of it.

    Args:
        quantity: the value.
        role: of money and percentages; `` where nothing says it.
        bound: whether more or less is meant, too.
        rate: what it is counted by: `month`, `person` ...; `` if nothing.
        everywhere: whether it is to hold for everything.
        restricted: whether it is to hold for something named (30 % off sunglasses).
        subjects: what the clause speaks of: concepts in capitals, and beginnings of words.
        nouns: of those what stands right behind the quantity: what is counted.
        aside: it is some of many (the first nine lessons, two lessons a week), or a price elsewhere.
        meanwhile: it is a time that something takes, not one that it lasts.
        cues: where the words stand that were read, beside the quantity.
    """

    quantity: Quantity
    role: Role
    bound: Bound
    rate: str
    everywhere: bool
    restricted: bool
    subjects: frozenset[str]
    nouns: frozenset[str]
    aside: bool
    meanwhile: bool
    cues: tuple[Span, ...]

    def says(self, given: Statement) -> bool:
        """Whether who reads this has read `given`, and nothing that goes beyond it."""
        return (
            self._says_value(given)
            and self._role_fits(given)
            and self._rate_fits(given)
            and self._extent_fits(given)
            and not self._widens(given)
        )

    def contradicts(self, given: Statement, *, named: bool) -> bool:
        """Whether both cannot be true, where nothing that was given is said by this.

        Args:
            given: what is known.
            named: it is given by name as a fact of what the text is about; any other must share its subject.
        """
        own, other = self.quantity, given.quantity
        if self.aside or not _comparable(own, other):
            return False
        if own.price and not other.kind and not (named and given.role):
            return False
        if own.price:
            return self._price_contradicts(given, named)
        if own.kind in ("date", "time", "rating", "phone"):
            return named or bool(self.subjects & given.subjects)
        if not own.kind or own.kind == "year":
            return bool(self.nouns & given.subjects) or (own.kind == "year" and named)
        return self._measure_contradicts(given, named)

    def _price_contradicts(self, given: Statement, named: bool) -> bool:
        if self.quantity.kind == "percent":
            if {self.role, given.role} <= {"discount", "second"}:
                return self.role == given.role or self._says_value(given)
            return self.role == given.role and bool(self.nouns & given.subjects)
        if not given.role and self.role not in ("", "price", "now"):
            return False
        if self._role_fits(given):
            return self._rate_fits(given) or self._says_value(given)
        return self._says_value(given) and bool(self.role and given.role)

    def _measure_contradicts(self, given: Statement, named: bool) -> bool:
        if not self._extent_fits(given):
            return False
        shared = bool(self.subjects & given.subjects)
        if not named or shared:
            return shared
        own, other = self.quantity, given.quantity
        if own.amount == other.amount:
            return True
        if own.kind in TIME:
            return own.kind == other.kind and not self.meanwhile
        return NOT_THE_SUBJECT.isdisjoint(self.subjects)

    def _extent_fits(self, given: Statement) -> bool:
        """A width is no height."""
        own, other = (self.nouns or self.subjects) & EXTENTS, given.subjects & EXTENTS
        return not (own and other) or bool(own & other)

    def _says_value(self, given: Statement) -> bool:
        same = self.quantity.says(given.quantity)
        if self.quantity.kind in _POINTS or given.quantity.kind in _POINTS:
            return same
        if self.role == given.role == "threshold":
            return same
        if self.bound == "exact":
            return same and given.bound not in ATTAINED
        if not _same_kind(self.quantity, given.quantity):
            return False
        own, other = _values(self.quantity, given.quantity)
        if self.bound == "about":
            return abs(own - other) <= ABOUT * abs(other)
        if self.bound == "from":
            return same and given.bound not in ("up to", "under")
        if self.bound == "up to":
            return same and given.bound not in ("from", "over", "at least")
        if self.bound == "under":
            upper = given.bound in ("under", "up to", "exact", "about")
            return upper and (other < own or (same and given.bound in ("under", "up to")))
        lower = given.bound in ("over", "at least", "from", "exact", "about")
        reached = given.bound != "exact" or (self.bound == "at least" and self.role != "discount")
        return lower and (other > own or (same and reached))

    def _role_fits(self, given: Statement) -> bool:
        own, other = self.role or "price", given.role or "price"
        if not given.role or own == other or {own, other} <= {"price", "now"}:
            return True
        return not self.role and other in ("threshold", "discount", "fee")

    def _rate_fits(self, given: Statement) -> bool:
        return not (self.rate and given.rate) or self.rate == given.rate

    def _widens(self, given: Statement) -> bool:
        limited = given.restricted or given.bound in ATTAINED or self.role == "threshold"
        return self.everywhere and not given.everywhere and limited and self.quantity.price


def statements(seen: View, region: Region = ANYWHERE) -> list[Statement]:
    """Everything that a text states with a quantity, in order."""
    found = quantities(seen, region)
    told: list[Statement] = []
    for at, one in enumerate(found):
        start = found[at - 1].end if at else 0
        end = found[at + 1].start if at + 1 < len(found) else len(seen.text)
        told.append(_stated(seen.text, one, start, end, told[-1] if told else None))
    return told


def _stated(text: str, one: Quantity, start: int, end: int, last: Statement | None) -> Statement:
    begin, stop = max(start, one.start - BEFORE), min(end, one.end + AFTER)
    for before in _CLAUSE.finditer(text, begin, one.start):
        begin = before.end()
    cut = _CLAUSE.search(text, one.end, stop)
    stop = cut.start() if cut else stop
    near = begin
    for before in _COMMA.finditer(text, begin, one.start):
        near = before.end()
    comma = _COMMA.search(text, one.end, stop)
    near_stop = comma.start() if comma else stop
    label = text[begin : one.start].partition(":")[0] if ":" in text[begin : one.start] else ""
    cues: list[Span] = []
    bound = _bound(text, one, near, near_stop, cues)
    role = _role(text, one, near, near_stop, label, last, cues)
    if bound == "from" and role == "discount":
        bound = "up to" if "低至" in text[near : one.start] else bound
    rate = _rate(text, one, near, near_stop, cues) if one.kind in MONEY else ""
    words = _subjects(_sentence_around(text, one))
    after = text[one.end : near_stop]
    return Statement(
        quantity=one,
        role=role,
        bound=bound,
        rate=rate,
        everywhere=one.price and EVERYWHERE.search(text, near, near_stop) is not None,
        restricted=one.price
        and (ONLY_ON.match(after) is not None or PARTLY.search(text, near, near_stop) is not None)
        and EVERYWHERE.search(after) is None,
        subjects=words,
        nouns=_nouns(after),
        aside=_aside(text, one, near, after),
        meanwhile=OTHER_SPAN.search(text, near, one.start) is not None,
        cues=tuple(cues),
    )


def _aside(text: str, one: Quantity, near: int, after: str) -> bool:
    if one.price:
        return ELSEWHERE.search(after) is not None
    return SOME_OF.search(text, near, one.start) is not None or RIGHT_RATE.search(after) is not None


def _sentence_around(text: str, one: Quantity) -> str:
    before = _CLAUSE.split(text[max(0, one.start - SENTENCE) : one.start])[-1]
    return f"{before} {_CLAUSE.split(text[one.end : one.end + SENTENCE], maxsplit=1)[0]}"


def _bound(text: str, one: Quantity, near: int, stop: int, cues: list[Span]) -> Bound:
    left = LEFT_BOUND.search(text, near, one.start)
    if left and left.lastgroup:
        cues.append(left.span(left.lastgroup))
        return _BOUNDS[left.lastgroup]
    right = RIGHT_BOUND.match(text, one.end, stop)
    if right and right.lastgroup:
        cues.append(right.span(right.lastgroup))
        return _BOUNDS[right.lastgroup]
    return "exact"


_BOUNDS: dict[str, Bound] = {
    "from_": "from",
    "up_to": "up to",
    "at_least": "at least",
    "over": "over",
    "under": "under",
    "about": "about",
}
_ROLES: dict[str, Role] = {
    name: name for name in ("price", "before", "now", "discount", "threshold", "fee", "second")
}


def _role(
    text: str, one: Quantity, near: int, stop: int, label: str, last: Statement | None, cues: list[Span]
) -> Role:
    if not one.price and one.kind:
        return ""
    if one.role:
        return _ROLES[one.role]
    right = RIGHT_ROLE.match(text, one.end, stop)
    if right and right.lastgroup:
        cues.append(right.span(right.lastgroup))
        return _ROLES[right.lastgroup]
    if last and last.role == "before" and _TO.fullmatch(text, last.quantity.end, one.start):
        return "now"
    if last and last.role == "discount" and _OFF.fullmatch(text, last.quantity.end, one.start):
        return "threshold"
    found = _last_role(text, near, one.start)
    if found and found.lastgroup:
        if not FILLER.sub("", text[found.end() : one.start]):
            cues.append(found.span(found.lastgroup))
        return _ROLES[found.lastgroup]
    found = _last_role(label, 0, len(label))
    return _ROLES[found.lastgroup] if found and found.lastgroup else ""


def _last_role(text: str, start: int, end: int) -> re.Match[str] | None:
    """The last word of a role; that something costs (delivery costs £3) only where there is no other."""
    chosen = None
    for found in LEFT_ROLE.finditer(text, start, end):
        if found.lastgroup != "price" or chosen is None:
            chosen = found
    return chosen


def _rate(text: str, one: Quantity, near: int, stop: int, cues: list[Span]) -> str:
    right = RIGHT_RATE.match(text, one.end, stop)
    if right:
        cues.append(right.span())
        return RATES.get(right["per"] or right["ly"] or right["zh"], "")
    found = next(LEFT_RATE.finditer(text, near, one.start), None)
    if found:
        cues.append(found.span())
        return RATES.get(found.group().removeprefix("per ").removeprefix("pro "), "")
    return ""


def _subjects(text: str) -> frozenset[str]:
    """Concepts in capitals, beginnings of Latin words, Chinese characters alone and in pairs."""
    found = {match.lastgroup.upper() for match in CONCEPT.finditer(text) if match.lastgroup}
    for word in _WORD.findall(text):
        if not word.isascii():
            found |= {word[at : at + 2] for at in range(len(word))}
        elif word not in STOP_WORDS and len(word) > 3:
            found.add(word[:5])
    return frozenset(found)


def _nouns(after: str) -> frozenset[str]:
    """What is counted: the two words behind a number, or the two Chinese characters."""
    text = after.lstrip(" -")
    first = _WORD.match(text)
    if not first:
        return frozenset()
    if not first[0].isascii():
        han = (first[0].lstrip(GENERIC_COUNTED) or first[0])[:3]
        if han[0] in GENERIC_COUNTED:
            return frozenset(han[0])
        return frozenset({*han[:2], han[:2], han[1:3]} - {""} - set(GENERIC_COUNTED))
    words = [word for word in _WORD.findall(text)[:2] if word not in STOP_WORDS]
    return frozenset(word[:5] for word in words if len(word) > 3 and word.isascii()) | {
        match.lastgroup.upper() for match in CONCEPT.finditer(" ".join(words)) if match.lastgroup
    }


def _comparable(one: Quantity, other: Quantity) -> bool:
    if one.kind in MONEY or other.kind in MONEY:
        return (one.kind in MONEY and other.kind in MONEY) or not other.kind
    if one.kind in TIME:
        return other.kind in TIME
    if one.kind == "year":
        return other.kind == "year" or (not other.kind and 1800 <= other.amount < 2100)
    return one.kind == other.kind


def _same_kind(one: Quantity, other: Quantity) -> bool:
    return one.kind == other.kind or not other.kind


def _values(one: Quantity, other: Quantity) -> tuple[Decimal, Decimal]:
    return (one.value, other.value) if other.kind else (one.amount, other.amount)
