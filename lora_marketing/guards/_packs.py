"""Rule packs: versioned lists of what a guard looks for, with the contexts in which it is harmless.

A rule's own `exempt` are other senses of its words (`cured ham`). An exemption of the pack names the rules
that it lifts and covers what stands in its group `object`, to its last letter: a claim behind it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, Self

from ahocorasick_rs import AhoCorasick, MatchKind
from pydantic import Field, model_validator

from lora_marketing.brands.claims import Market
from lora_marketing.common.documents import Frozen, packaged_document, validated
from lora_marketing.guards import Severity
from lora_marketing.text.bounded import Span, Spans, matches
from lora_marketing.text.normalise import whole_word


class PackRule(Frozen):
    """One rule of a pack: it finds any of `terms` (literally) or `patterns`.

    Matches that touch a match of `exempt` are dropped. Patterns are regular expressions over lower-case,
    half-width text, in which `<name>` stands for any of the pack's `words` of that name. `basis` cites
    the law or source of the rule.
    """

    id: str
    kind: str
    severity: Severity
    basis: str
    message: str
    suggestion: str | None = None
    terms: list[str] = []
    patterns: list[str] = []
    exempt: list[str] = []


ExemptionKind = Literal["negation", "aim", "own_goods", "fact"]
_OF_A_RANK = frozenset({"superlative", "comparison"})
"""Kinds of rules that an aim, a comparison among one's own goods or a proven fact may lift."""


class Exemption(Frozen):
    """What frees claims of the rules in `lifts`, if they stand within the group `object` of a pattern.

    `negation` says that something is not claimed; the other kinds lift words of rank, and nothing that is
    said of health or warranted.
    """

    id: str
    kind: ExemptionKind
    basis: str
    lifts: Annotated[list[str], Field(min_length=1)]
    patterns: Annotated[list[str], Field(min_length=1)]


class Pack(Frozen):
    """One data file of rules."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    version: str
    date: str
    source: str
    language: str
    markets: list[Market] = []
    words: dict[str, list[str]] = {}
    exemptions: list[Exemption] = []
    rules: list[PackRule]

    @model_validator(mode="after")
    def _lifts_what_it_may(self) -> Self:
        kinds = {rule.id: rule.kind for rule in self.rules}
        for one in self.exemptions:
            for rule in one.lifts:
                if rule not in kinds:
                    raise ValueError(f"exemption {one.id} lifts {rule}, which is no rule of the pack")
                if one.kind != "negation" and kinds[rule] not in _OF_A_RANK:
                    raise ValueError(f"exemption {one.id} may not lift {rule}, a rule of {kinds[rule]}")
        return self


@dataclass(frozen=True)
class Match:
    """A match of a rule: start and end (exclusive) in the searched text."""

    rule: PackRule
    start: int
    end: int


@dataclass(frozen=True)
class CompiledPack:
    """A pack with its terms and patterns compiled for searching."""

    pack: Pack
    terms: AhoCorasick
    rules_of_terms: tuple[PackRule, ...]
    patterns: tuple[tuple[PackRule, tuple[re.Pattern[str], ...]], ...]
    exempt: dict[str, re.Pattern[str]]
    exemptions: tuple[tuple[Exemption, tuple[re.Pattern[str], ...]], ...]

    def matches(self, text: str) -> Iterator[Match]:
        """What the pack's rules find in `text`, as `text.normalise.view` spells it."""
        senses: dict[str, Spans] = {}
        lifted: dict[str, Spans] = {}
        for match in self._anywhere(text):
            rule = match.rule.id
            if rule not in senses:
                senses[rule] = Spans(self._senses(rule, text))
                lifted[rule] = Spans(self._lifted(rule, text))
            place = match.start, match.end
            if not (senses[rule].touch(*place) or lifted[rule].cover(*place)):
                yield match

    def _anywhere(self, text: str) -> Iterator[Match]:
        for which, start, end in self.terms.find_matches_as_indexes(text):
            if whole_word(text, start, end):
                yield Match(self.rules_of_terms[which], start, end)
        for rule, patterns in self.patterns:
            # One by one: `re` searches for the first letter of a pattern, which an alternation does not have.
            spans = sorted(found.span() for pattern in patterns for found in matches(pattern, text))
            end = -1
            for span in spans:
                if span[0] >= end:
                    end = span[1]
                    yield Match(rule, *span)

    def _senses(self, rule: str, text: str) -> Iterator[Span]:
        if pattern := self.exempt.get(rule):
            yield from (found.span() for found in matches(pattern, text))

    def _lifted(self, rule: str, text: str) -> Iterator[Span]:
        for exemption, patterns in self.exemptions:
            if rule in exemption.lifts:
                yield from (found.span("object") for one in patterns for found in matches(one, text))


@cache
def read_pack(name: str) -> Pack:
    """Read one pack."""
    document = packaged_document("lora_marketing.guards", "packs", f"{name}.yaml")
    return validated(Pack, document.value, document.places)


@cache
def load_pack(name: str) -> CompiledPack:
    """Read and compile one pack."""
    pack = read_pack(name)
    terms = [(rule, term) for rule in pack.rules for term in rule.terms]
    return CompiledPack(
        pack,
        AhoCorasick([term for _, term in terms], matchkind=MatchKind.LeftmostLongest),
        tuple(rule for rule, _ in terms),
        tuple(
            (rule, tuple(_any_of([one], pack.words) for one in rule.patterns))
            for rule in pack.rules
            if rule.patterns
        ),
        {rule.id: _any_of(rule.exempt, pack.words) for rule in pack.rules if rule.exempt},
        tuple(
            (one, tuple(_any_of([pattern], pack.words) for pattern in one.patterns))
            for one in pack.exemptions
        ),
    )


@cache
def pack_names(guard: str) -> tuple[str, ...]:
    """Names of the packs of one guard, which begin with the guard's name."""
    found = (entry.name for entry in (files("lora_marketing.guards") / "packs").iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in found if name.startswith(guard)))


def _any_of(patterns: list[str], words: dict[str, list[str]]) -> re.Pattern[str]:
    whole = "|".join(patterns)
    for name, choices in words.items():
        whole = whole.replace(f"<{name}>", f"(?:{'|'.join(choices)})")
    return re.compile(whole, re.MULTILINE)
