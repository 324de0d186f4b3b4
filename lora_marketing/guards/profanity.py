"""Profanity: finds offensive words in English and Chinese, in any spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated

from pydantic import Field

from lora_marketing.common.documents import Frozen, packaged_document, validated
from lora_marketing.guards import Case, Finding, Severity
from lora_marketing.text.bounded import matches
from lora_marketing.text.spelling import Finder, Spelled, folded, folded_term, places, widest

LANGUAGES = ("en", "zh")
_STARRED = re.compile(r"\b(?:[a-z]{1,20}(?:[*#@]{1,20}[a-z]{1,20})+|[a-z]{2,20}[*#@]{2,20})(?!\w)")


class ProfanityList(Frozen):
    """The content of one list of offensive words.

    `hard` words and `within` words (found inside other words, too) are blocked. `mild` words, `apart` words
    (found only if no letter touches them) and `political` names are reviewed. `exempt` are harmless words
    that contain one of the others.
    """

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    version: str
    hard: list[str]
    within: list[str]
    mild: list[str]
    apart: list[str]
    political: list[str]
    exempt: list[str]


@dataclass(frozen=True)
class _Matching:
    """The words of all lists, prepared for searching; words that are in none of the sets are mild."""

    finders: tuple[Finder, ...]
    hard: frozenset[str]
    political: frozenset[str]
    exempt: frozenset[str]

    @cached_property
    def by_length(self) -> dict[int, list[str]]:
        """Hard words in Latin letters, by their length."""
        found: dict[int, list[str]] = {}
        for word in sorted(self.hard):
            if re.fullmatch("[a-z]+", word):
                found.setdefault(len(word), []).append(word)
        return found


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find offensive words: hard ones are blocked, mild ones and political names are reviewed.

    Mild and political words are allowed in names of the brand and the product and in the brand's facts.
    """
    matching = _matching()
    own = folded(" ".join((case.brand.display_name, case.brief.product, *case.brand.facts)))
    found = [one for finder in matching.finders for one in finder.find(text) if one.sure]
    for one in widest([*found, *_starred(text, matching)]):
        word = text[slice(*one.span)]
        if one.term in matching.exempt or _number(word):
            continue
        if one.term in matching.hard:
            yield _finding("hard", "block", f'"{word}" offends', one)
        elif any(places(folded_term(word), own)):
            continue
        elif one.term in matching.political:
            yield _finding("political", "review", f'"{word}" is political', one)
        else:
            yield _finding("mild", "review", f'"{word}" may offend', one)


def _finding(kind: str, severity: Severity, message: str, one: Spelled) -> Finding:
    return Finding(rule=f"profanity.{kind}", severity=severity, message=message, span=one.span)


def _number(word: str) -> bool:
    """Whether it is the short name of a model that only looks like a word by its digits: A5s, AS5."""
    signs = [sign for sign in word if sign.isalnum()]
    told = sum(sign.isdigit() or sign.isupper() for sign in signs)
    return word.isascii() and len(signs) <= 3 and 2 * told > len(signs) and any(map(str.isdigit, signs))


def _starred(text: str, matching: _Matching) -> Iterator[Spelled]:
    """Find hard words with stars for letters (`f**k`, `sh**`). One star at the end is a footnote mark."""
    meant: dict[str, str | None] = {}
    for found in matches(_STARRED, text.casefold()):
        starred = found[0]
        if starred not in meant:
            meant[starred] = next(
                (word for word in matching.by_length.get(len(starred), ()) if _fits(starred, word)), None
            )
        if word := meant[starred]:
            yield Spelled(word, found.span(), True)


def _fits(starred: str, word: str) -> bool:
    return all(sign in "*#@" or sign == letter for sign, letter in zip(starred, word, strict=True))


@cache
def _matching() -> _Matching:
    lists = [_load(language) for language in LANGUAGES]

    def all_of(*groups: str) -> list[str]:
        return [word for group in groups for words in lists for word in getattr(words, group)]

    finders = (
        Finder(all_of("hard", "mild", "political")),
        Finder(all_of("within"), inflected=False, edges="none"),
        Finder(all_of("apart"), inflected=False, edges="apart"),
        Finder(all_of("exempt"), inflected=False, edges="none"),
    )
    hard = frozenset(all_of("hard", "within"))
    return _Matching(finders, hard, frozenset(all_of("political")), frozenset(all_of("exempt")))


def _load(language: str) -> ProfanityList:
    document = packaged_document("lora_marketing.guards", "packs", f"profanity_{language}.yaml")
    return validated(ProfanityList, document.value, document.places)
