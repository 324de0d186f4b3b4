"""Guards: rules that check one text and give findings with a span and a severity, one file each.

A guard never changes a text. The most severe finding decides the verdict: `pass` (no finding), `fix` (write
the field again), `review` (a person decides) or `block` (must not be published).
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
"""The most findings of one rule and severity that are reported for one text."""
OF_THE_WHOLE = frozenset({"structure", "length", "unfinished", "required"})
"""Guards that check a whole ad at once; the others check its pieces one by one."""


class Finding(Frozen):
    """One objection to a text.

    `rule` is the guard's name or `guard.rule`. `span` is the start and end (exclusive) of the passage, in
    characters of the text, or None if the finding has no place. `suggestion` replaces the span, or says what
    to do.
    """

    rule: str
    severity: Severity
    message: str
    span: tuple[int, int] | None = None
    suggestion: str | None = None


@dataclass(frozen=True)
class Case:
    """Everything that guards need besides the text itself.

    Args:
        brief: the brief that the text answers, with its channel and field.
        brand: the brand that the text is for, with its policy.
        stopped: whether the model ended the text by itself.
        today: the date on which claims must not have expired.
        known: hashes of the texts that the adapter was trained on; None if they are unknown.
        others: names of other brands (of other clients, too), and of their products.
    """

    brief: Brief
    brand: Brand
    stopped: bool = True
    today: date = field(default_factory=date.today)
    known: KnownTexts | None = None
    others: tuple[str, ...] = ()


class Guard(Protocol):
    """The interface of a guard file."""

    def find(self, text: str, case: Case) -> Iterator[Finding]:
        """Yield a finding for each objection of this guard to `text`."""


@cache
def guard_names() -> tuple[str, ...]:
    """The names of all guards."""
    return names(__name__, ".py")


@cache
def load_guard(name: str) -> Guard:
    """Import one guard by its name.

    Raises:
        UnknownName: there is no guard of this name.
    """
    return cast(Guard, module(__name__, name))


def severity_problems(brand: Brand, profile: Path) -> Iterator[Problem]:
    """Problems of a brand's `severities` that name no guard, with their lines in the file `profile`."""
    for rule in brand.severities:
        guard = rule.split(".")[0]
        if guard not in guard_names():
            where = place_of(("severities", rule), read_document(profile).places)
            yield Problem(f'no guard "{guard}"', where, got=rule, allowed=nearest(guard, guard_names()))


def load_policy(profile: Path) -> Brand:
    """Read a brand profile to check texts with, where there is no recipe.

    Raises:
        DocumentError: the file is missing or is not valid YAML.
        RecipeError: the profile has problems; all are listed with their lines.
    """
    brand = load_brand(profile)
    problems = list(severity_problems(brand, profile))
    if problems:
        raise RecipeError(problems)
    return brand


def findings(text: str, case: Case, guards: Sequence[str] | None = None) -> list[Finding]:
    """Run guards over `text`, and give their findings with the brand's own severities.

    Of one rule and severity, only the first `MOST_OF_A_RULE` findings are reported.

    Args:
        text: the text to check; a whole ad is JSON.
        case: its brief, its brand and what else guards need.
        guards: names of the guards to run; all of them if None.

    Raises:
        UnknownName: the brief's channel or field does not exist.
    """
    asked = guard_names() if guards is None else guards
    found = (one for name in asked for one in _found(name, text, case, Counter()))
    return list(_as_taken(found, case.brand))


def _found(name: str, text: str, case: Case, told: Counter[tuple[str, str]]) -> Iterator[Finding]:
    """Run one guard on a text, or on each piece of a whole ad; spans are places in the ad's text.

    An ad without pieces, or with fields that its channel does not have, is checked as it is, since it may
    still be shown to somebody.
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
    """The first `MOST_OF_A_RULE` findings of each rule and severity; `told` counts them across calls."""
    for one in found:
        told[one.rule, one.severity] += 1
        if told[one.rule, one.severity] <= MOST_OF_A_RULE:
            yield one


def verdict(found: Iterable[Finding]) -> Verdict:
    """The verdict on a text with these findings: their highest severity, or `pass` without any."""
    return max((finding.severity for finding in found), key=GRAVITY.index, default="pass")


def _as_taken(found: Iterable[Finding], brand: Brand) -> Iterator[Finding]:
    """Replace severities by the brand's own for the rule or the whole guard; `off` drops the finding."""
    for finding in found:
        own = brand.severities.get(finding.rule) or brand.severities.get(finding.rule.split(".")[0])
        if own is None:
            yield finding
        elif own != "off":
            yield finding.model_copy(update={"severity": own})
