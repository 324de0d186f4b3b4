"""Rule packs: versioned data files with the terms and patterns that a guard searches for, and exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated

from ahocorasick_rs import AhoCorasick, MatchKind
from pydantic import Field

from lora_marketing.brands.claims import Market
from lora_marketing.common.documents import Frozen, packaged_document, validated
from lora_marketing.guards import Severity
from lora_marketing.text.bounded import Spans, matches
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


class Pack(Frozen):
    """The content of one pack file; its `exempt` patterns apply to all its rules."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    version: str
    date: str
    source: str
    language: str
    markets: list[Market] = []
    words: dict[str, list[str]] = {}
    exempt: list[str] = []
    rules: list[PackRule]


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
    exempt_all: re.Pattern[str] | None

    def matches(self, text: str) -> Iterator[Match]:
        """All matches of the pack's rules in `text`, which must be spelled as in `text.normalise.view`."""
        free: dict[str, Spans] = {}
        for match in self._anywhere(text):
            if match.rule.id not in free:
                free[match.rule.id] = Spans(self._free(match.rule, text))
            if not free[match.rule.id].touch(match.start, match.end):
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

    def _free(self, rule: PackRule, text: str) -> Iterator[tuple[int, int]]:
        for pattern in (self.exempt.get(rule.id), self.exempt_all):
            if pattern:
                yield from (found.span() for found in matches(pattern, text))


@cache
def load_pack(name: str) -> CompiledPack:
    """Read and compile the pack `packs/<name>.yaml`."""
    document = packaged_document("lora_marketing.guards", "packs", f"{name}.yaml")
    pack = validated(Pack, document.value, document.places)
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
        _any_of(pack.exempt, pack.words) if pack.exempt else None,
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
