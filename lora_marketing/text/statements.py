"""What a text states with a quantity: its role (now, before, off ...), its bound (from, up to ...), what it
is counted by (a month, a person), what it holds for, and what it speaks of.

Everything is read out of the few words around a quantity, within its clause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from lora_marketing.text._cues import (
    EXTENTS,
    FILLER,
    LEFT_BOUND,
    LEFT_RATE,
    LEFT_ROLE,
    NOT_THE_SUBJECT,
    PERIODS,
    RATES,
    RIGHT_BOUND,
    RIGHT_RATE,
    RIGHT_ROLE,
)
from lora_marketing.text.bounded import Span
from lora_marketing.text.normalise import View
from lora_marketing.text.quantities import Quantity, quantities
from lora_marketing.text.regions import ANYWHERE, Region
from lora_marketing.text.surroundings import SENTENCE, Surroundings, surroundings
from lora_marketing.text.units import BASES, MONEY, TIME

Role = Literal["", "price", "before", "now", "discount", "threshold", "fee", "second"]
Bound = Literal["exact", "from", "up to", "at least", "over", "under", "about"]
ABOUT = Decimal("0.1")
"""How far what is about a value may be from it, as a share of it."""
DAY = 24
"""Times are of one thing only if one is not so many times the other."""
ATTAINED = ("from", "up to")
"""Bounds that are somewhere reached: who leaves them out promises more than was given."""
_OPEN = frozenset({"over", "under", "at least", "about"})
_POINTS = frozenset({"date", "time", "phone", "year"})
"""Kinds that have no more and no less here."""
_OFF = re.compile(
    r"\s?(?:(?:off|rabatt|discount|sparen|gunstiger)(?: (?:on|for|from))?"
    r"|(?:(?:off|rabatt|discount|sparen) )?(?:over|ab|bei|uber|when you spend|on orders over))\s"
)
_FOR = re.compile(r"\s(?:for|fur)\s(?:just |only |nur )?")
_SOME_MORE = re.compile("[多余]")
_FROM_A_SUM = re.compile(r"\s(?:(?:on|for|bei) )?(?:orders? |bestellungen )?(?:over|from|above|ab|uber)\s")
_DOWN_TO = re.compile(r"\b(?:down|reduced|cut|slashed|reduziert|gesenkt)(?: to| auf)\s$")
_TO = re.compile(r"\W*(?:\b(?:to|auf|zu)|到|至|降至|→|->|[-–—])\W*$")


@dataclass(frozen=True)
class Statement:
    """A quantity, and what the words around it make of it.

    Args:
        quantity: the value.
        role: of money and percentages; `` where nothing says it.
        bound: whether more or less is meant, too.
        rate: what it is counted by: `month`, `person` ...; `` if nothing.
        around: the words around it.
        cues: where the words stand that were read, beside the quantity.
    """

    quantity: Quantity
    role: Role
    bound: Bound
    rate: str
    around: Surroundings
    cues: tuple[Span, ...]

    def says(self, given: Statement) -> bool:
        """Whether who reads this has read `given`, and nothing that goes beyond it."""
        return self._same_by_the_year(given) or (
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
        if named and _in_another_unit(self, given):
            return True
        if {own.kind, other.kind} == {"offer", "percent"} and "second" in (self.role, given.role):
            return True
        if not _comparable(own, other):
            return False
        if self.around.elsewhere if own.price else self.around.partial:
            return False
        if "free" in (own.kind, other.kind):
            return own.kind != other.kind and self._free_contradicts(given)
        if own.price and not other.kind and not (named and given.role):
            return False
        if own.price:
            return self._price_contradicts(given, named)
        if own.kind in ("date", "time", "rating", "phone"):
            return named or self._shares_subject(given)
        if not own.kind or own.kind == "year":
            return (
                bool(self.around.nouns & given.around.subjects)
                or self._led_alike(given)
                or (own.kind == "year" and named)
            )
        return self._measure_contradicts(given, named)

    def _free_contradicts(self, given: Statement) -> bool:
        """A fee where it is free, free where it has a fee, or free for all where there is a threshold."""
        if self.quantity.kind != "free":
            return self.role == "fee"
        return given.role == "fee" or (given.role == "threshold" and self.around.everywhere)

    def _shares_subject(self, given: Statement) -> bool:
        return any(len(one) > 1 for one in self.around.subjects & given.around.subjects)

    def _led_alike(self, given: Statement) -> bool:
        """SPF 30 and SPF 50, serves 4 and serves 6; but not chapters: 12 and Chapter 3."""
        own, other = self.around.leader, given.around.leader
        return bool(own) and own in (other, f"{other}s")

    def _price_contradicts(self, given: Statement, named: bool) -> bool:
        if self.quantity.kind == "percent":
            if {self.role, given.role} <= {"discount", "second"}:
                return self.role == given.role or self._says_value(given)
            return self.role == given.role and bool(self.around.nouns & given.around.subjects)
        if not given.role and self.role not in ("", "price", "now"):
            return False
        if self._role_fits(given):
            return self._rate_fits(given) or self._says_value(given)
        return self._says_value(given) and bool(self.role and given.role)

    def _measure_contradicts(self, given: Statement, named: bool) -> bool:
        if not self._extent_fits(given):
            return False
        shared = self._shares_subject(given)
        if not named or shared:
            return shared
        own, other = self.quantity, given.quantity
        if own.amount == other.amount:
            return True
        if own.kind != other.kind:
            return False
        if own.kind in TIME:
            near = max(own.value, other.value) < DAY * min(own.value, other.value)
            return near and not self.around.meanwhile
        return NOT_THE_SUBJECT.isdisjoint(self.around.subjects)

    def _extent_fits(self, given: Statement) -> bool:
        """A width is no height."""
        if self.quantity.kind != "mm":
            return True
        own = (self.around.nouns or self.around.subjects) & EXTENTS
        other = given.around.subjects & EXTENTS
        return not (own and other) or bool(own & other)

    def _says_value(self, given: Statement) -> bool:
        same = self.quantity.says(given.quantity) and not _in_another_unit(self, given)
        if self.quantity.kind in _POINTS or given.quantity.kind in _POINTS:
            return same
        if self.role == given.role == "threshold":
            return same
        if self.bound == "exact":
            return same and given.bound not in ATTAINED
        if same and not self.quantity.price and self.bound in _OPEN and given.bound not in ATTAINED:
            return True  # a condition: over 10 kg, take a bigger one
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
        reached = given.bound != "exact" or self.role != "discount"
        return lower and (other > own or (same and reached))

    def _role_fits(self, given: Statement) -> bool:
        own, other = self.role or "price", given.role or "price"
        if not given.role or own == other or {own, other} <= {"price", "now"}:
            return True
        return not self.role and other in ("threshold", "discount", "fee")

    def _rate_fits(self, given: Statement) -> bool:
        return not (self.rate and given.rate) or self.rate == given.rate

    def _same_by_the_year(self, given: Statement) -> bool:
        """120 a year are 10 a month."""
        own, other = PERIODS.get(self.rate), PERIODS.get(given.rate)
        if not own or not other or own == other or self.quantity.kind != given.quantity.kind:
            return False
        return self.bound == given.bound and self.quantity.value * own == given.quantity.value * other

    def _widens(self, given: Statement) -> bool:
        if self.quantity.kind == "free":
            return self.around.everywhere and _FROM_A_SUM.match(given.around.right) is not None
        if not self.quantity.price or not self.around.everywhere or given.around.everywhere:
            return False
        return given.bound in ATTAINED or self.role == "threshold" or given.around.restricted


def statements(seen: View, region: Region = ANYWHERE) -> list[Statement]:
    """Everything that a text states with a quantity, in order."""
    found = quantities(seen, region)
    told: list[Statement] = []
    for at, one in enumerate(found):
        start = found[at - 1].end if at else 0
        end = found[at + 1].start if at + 1 < len(found) else len(seen.text)
        around = surroundings(seen.text, one, start, end)
        cues: list[Span] = []
        bound = _bound(one, around, cues)
        role = _role(one, around, cues)
        if one.kind in MONEY and not one.role:
            role = _among_others(role, bound, one, around, (found[max(0, at - 1) : at + 2], told, seen.text))
        if bound == "from" and role == "discount" and "低至" in around.left:
            bound = "up to"
        elif bound == "from" and role == "before":
            bound = "exact"
        rate = _rate(one, around, cues) if one.kind in MONEY else ""
        if not rate and one.kind in MONEY and at and _FOR.fullmatch(around.left) and not found[at - 1].kind:
            rate = f"{found[at - 1].amount} of it"
        if _SOME_MORE.search(seen.text, one.start, one.end):
            bound = "over"
        told.append(Statement(one, "" if role == "was" else role, bound, rate, around, tuple(cues)))
    return told


def _bound(one: Quantity, around: Surroundings, cues: list[Span]) -> Bound:
    left = LEFT_BOUND.search(around.left) if around.led else None
    if left and left.lastgroup:
        cues.append(_shifted(left.span(left.lastgroup), one.start - len(around.left)))
        return _BOUNDS[left.lastgroup]
    right = RIGHT_BOUND.match(around.right) if around.followed else None
    if right and right.lastgroup:
        cues.append(_shifted(right.span(right.lastgroup), one.end))
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
_Cue = Literal[Role, "was"]
_ROLES: dict[str, _Cue] = {
    name: name for name in ("price", "before", "now", "discount", "threshold", "fee", "second", "was")
}


def _role(one: Quantity, around: Surroundings, cues: list[Span]) -> _Cue:
    if not one.price and one.kind:
        return ""
    if one.role:
        return _ROLES[one.role]
    right = RIGHT_ROLE.match(around.right) if around.followed else None
    found = _last_role(around.left) if around.led else None
    if right and right.lastgroup and not (found and right.lastgroup == "now"):
        cues.append(_shifted(right.span(right.lastgroup), one.end))
        return _ROLES[right.lastgroup]
    if found and found.lastgroup:
        if not FILLER.sub("", around.left[found.end() :]):
            cues.append(_shifted(found.span(found.lastgroup), one.start - len(around.left)))
        return _ROLES[found.lastgroup]
    found = _last_role(around.label) if around.label else None
    return _ROLES[found.lastgroup] if found and found.lastgroup else ""


def _among_others(
    role: _Cue,
    bound: Bound,
    one: Quantity,
    around: Surroundings,
    others: tuple[Sequence[Quantity], Sequence[Statement], str],
) -> _Cue:
    """What sums beside it make of a role: from £60 to £40, £10 off £60; what simply was £9 is not reduced."""
    near, told, text = others
    last = told[-1] if told else None
    if role == "was":
        alone = not any(
            other is not one and other.kind in MONEY and abs(other.start - one.start) <= SENTENCE
            for other in near
        )
        return "" if alone and around.left.removesuffix(" ").partition("was")[0].strip() else "before"
    if last and last.role == "before" and _TO.fullmatch(text, last.quantity.end, one.start):
        return "now"
    if last and last.role == "discount" and _OFF.fullmatch(text, last.quantity.end, one.start):
        return "threshold"
    if last and last.quantity.kind == "free" and bound in ("over", "from", "at least"):
        return "threshold"
    if last and _DOWN_TO.search(last.around.left) and around.left.strip() in ("from", "von"):
        return "before"
    return "threshold" if role == "fee" and bound in ("over", "at least") else role


def _last_role(text: str) -> re.Match[str] | None:
    """The last word of a role; that something costs (delivery costs £3) only where there is no other."""
    chosen = None
    for found in LEFT_ROLE.finditer(text):
        if found.lastgroup != "price" or chosen is None:
            chosen = found
    return chosen


def _rate(one: Quantity, around: Surroundings, cues: list[Span]) -> str:
    right = RIGHT_RATE.match(around.right)
    if right:
        cues.append(_shifted(right.span(), one.end))
        return right["other"] or RATES.get(right["per"] or right["ly"] or right["zh"], "")
    found = LEFT_RATE.search(around.left)
    if found:
        cues.append(_shifted(found.span(), one.start - len(around.left)))
    else:
        found = LEFT_RATE.search(around.label)
    return RATES.get(found.group().removeprefix("per ").removeprefix("pro "), "") if found else ""


def _shifted(span: Span, by: int) -> Span:
    return span[0] + by, span[1] + by


def _in_another_unit(one: Statement, given: Statement) -> bool:
    """5 litres, where 5 of something else are given."""
    own, other = one.quantity, given.quantity
    if own.kind not in BASES or other.kind or own.amount != other.amount or not given.around.nouns:
        return False
    return not given.around.nouns & one.around.subjects


def _comparable(one: Quantity, other: Quantity) -> bool:
    if "free" in (one.kind, other.kind):
        return {one.kind, other.kind} <= {"free", *MONEY}
    if one.kind in MONEY or other.kind in MONEY:
        return (one.kind in MONEY and other.kind in MONEY) or not other.kind
    if one.kind in TIME:
        return other.kind in TIME
    if {one.kind, other.kind} <= {"deg", "degf"}:
        return True
    if one.kind == "year":
        return other.kind == "year" or (not other.kind and 1800 <= other.amount < 2100)
    return one.kind == other.kind


def _same_kind(one: Quantity, other: Quantity) -> bool:
    return one.kind == other.kind or not other.kind


def _values(one: Quantity, other: Quantity) -> tuple[Decimal, Decimal]:
    return (one.value, other.value) if other.kind else (one.amount, other.amount)
