"""Rules over one text: findings with span and severity.

A guard never changes a text. What may be done with one follows from the gravest finding: `pass`,
`fix` (write the field again), `review` (a person decides) or `block` (not to be published).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, Protocol, cast

from lora_marketing.brands.brand import Brand, Brief, load_brand
from lora_marketing.channels.structure import AD, ad_fields, pieces
from lora_marketing.common.documents import Frozen, place_of, read_document
from lora_marketing.common.errors import Problem, RecipeError, nearest
from lora_marketing.common.plugins import module, names
from lora_marketing.text.known_texts import KnownTexts

Severity = Literal["fix", "review", "block"]
Verdict = Literal["pass", "fix", "review", "block"]
GRAVITY: tuple[Verdict, ...] = ("pass", "fix", "review", "block")
MOST_OF_A_RULE = 50
"""Findings of one rule and severity that are told of one text."""
OF_THE_WHOLE = frozenset({"structure", "length", "unfinished", "required"})
"""Guards that look at a whole ad as it is; others see its pieces one by one."""


class Finding(Frozen):
    """One thing that speaks against a text.

    `rule` is the guard's name, or `guard.rule`; `span` (start, end) are characters of the text, if it
    has a place; `suggestion` what to write instead of the span, or what to do.
    """

    rule: str
    severity: Severity
    message: str
    span: tuple[int, int] | None = None
    suggestion: str | None = None


@dataclass(frozen=True)
class Case:
    """What a text was to be, and what it is held against.

    Args:
        brief: what was asked for, and for which channel and field.
        brand: for whom; its policy holds.
        stopped: whether the model ended the text by itself.
        today: claims expire.
        known: what the adapter was trained on, as hashes; None where nobody knows.
        others: names of the house's other brands and of their products.
    """

    brief: Brief
    brand: Brand
    stopped: bool = True
    today: date = field(default_factory=date.today)
    known: KnownTexts | None = None
    others: tuple[str, ...] = ()


class Guard(Protocol):
    """What a guard file offers."""

    def find(self, text: str, case: Case) -> Iterator[Finding]:
        """Everything that this guard has against `text`."""


@cache
def guard_names() -> tuple[str, ...]:
    """The names of all guards."""
    return names(__name__, ".py")


@cache
def load_guard(name: str) -> Guard:
    """Import one guard.

    Raises:
        UnknownName: no such guard.
    """
    return cast(Guard, module(__name__, name))


def severity_problems(brand: Brand, profile: Path) -> Iterator[Problem]:
    """What a brand takes in its own way although no guard finds it; `profile` is where it says so."""
    for rule in brand.severities:
        guard = rule.split(".")[0]
        if guard not in guard_names():
            where = place_of(("severities", rule), read_document(profile).places)
            yield Problem(f'no guard "{guard}"', where, got=rule, allowed=nearest(guard, guard_names()))


def load_policy(profile: Path) -> Brand:
    """Read a brand profile to guard texts with, where no recipe has read it.

    Raises:
        DocumentError, RecipeError: with every problem and its line.
    """
    brand = load_brand(profile)
    problems = list(severity_problems(brand, profile))
    if problems:
        raise RecipeError(problems)
    return brand


def findings(text: str, case: Case, guards: Sequence[str] | None = None) -> list[Finding]:
    """Everything that speaks against publishing `text`, as grave as the brand takes it.

    Of a rule that speaks against it again and again, the first `MOST_OF_A_RULE` findings.

    Args:
        text: what was written.
        case: what it was to be.
        guards: names of guards to ask; all of them if None.

    Raises:
        UnknownName: the brief's channel or field does not exist.
    """
    asked = guard_names() if guards is None else guards
    found = (one for name in asked for one in _found(name, text, case, Counter()))
    return list(_as_taken(found, case.brand))


def _found(name: str, text: str, case: Case, told: Counter[tuple[str, str]]) -> Iterator[Finding]:
    """What one guard finds. It looks at each piece of a whole ad, and spans are places in the ad.

    An ad that has no pieces, or others than its channel's, is looked at as it is: it may be shown.
    """
    find = load_guard(name).find
    if case.brief.field != AD or name in OF_THE_WHOLE:
        yield from _few(find(text, case), told)
        return
    fields, parts = ad_fields(case.brief.channel), pieces(text, case.brief)
    if not parts or any(piece.field not in fields for piece in parts):
        yield from _few(find(text, case), told)
        return
    for piece in parts:
        brief = case.brief.model_copy(update={"field": piece.field})
        for one in _few(find(piece.text, replace(case, brief=brief, stopped=True)), told):
            yield one.model_copy(update={"span": piece.span(one.span)})


def _few(found: Iterable[Finding], told: Counter[tuple[str, str]]) -> Iterator[Finding]:
    """The first findings of each rule and severity; `told` counts them."""
    for one in found:
        told[one.rule, one.severity] += 1
        if told[one.rule, one.severity] <= MOST_OF_A_RULE:
            yield one


def verdict(found: Iterable[Finding]) -> Verdict:
    """What may be done with a text of which this was found."""
    return max((finding.severity for finding in found), key=GRAVITY.index, default="pass")


def _as_taken(found: Iterable[Finding], brand: Brand) -> Iterator[Finding]:
    """A brand's own severity of a rule, or of the whole guard, holds instead of the guard's."""
    for finding in found:
        own = brand.severities.get(finding.rule) or brand.severities.get(finding.rule.split(".")[0])
        if own is None:
            yield finding
        elif own != "off":
            yield finding.model_copy(update={"severity": own})
