"""A client's voice, one request for copy, and the texts that teach it: plain YAML and JSON lines."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from unicodedata import combining, normalize

from pydantic import Field, StringConstraints, field_validator

from lora_marketing.claims import Claim, Claims, Market
from lora_marketing.documents import Frozen, read_document, validated

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Brand(Frozen):
    """A client's voice and policy. One object for prompts, data checks, evaluation and guards.

    `markets` say whose law holds, `claims` what may be claimed there (in a profile also the name of a
    claims file beside it), `links` the domains that a text may point to, `severities` how grave
    findings of a rule are for this brand, `gated_aliases` which aliases only a version that passes the
    gate may get.
    """

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    name: Slug
    display_name: Text
    locale: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2}|-[A-Z][a-z]{3})?$")]
    lines: Annotated[dict[Slug, Text], Field(min_length=1)]
    guide: Text
    facts: list[Text] = []
    required_terms: list[Text] = []
    banned_terms: list[Text] = []
    competitors: list[Text] = []
    markets: list[Market] = []
    claims: list[Claim] = []
    links: list[Text] = []
    severities: dict[str, Literal["off", "fix", "review", "block"]] = {}
    gated_aliases: list[Slug] = []

    @property
    def language(self) -> str:
        """Two- or three-letter language of the locale: `en`, `zh`."""
        return self.locale.split("-")[0]

    def forbidden_in(self, text: str) -> list[str]:
        """Banned terms and competitor names that occur in `text`, whatever their case or typography.

        Latin terms match whole words only (`cure` is not in `secure`); Chinese has no word
        breaks, so Chinese terms match anywhere and Latin terms match between Chinese letters.
        """
        folded = _folded(text)
        return [term for term in self.forbidden_terms if any(_places(_folded_term(term), folded))]

    @property
    def forbidden_terms(self) -> tuple[str, ...]:
        """What no text of this brand may say."""
        return (*self.banned_terms, *self.competitors)

    def first_forbidden(self, text: str, ended: bool) -> int | None:
        """Where in `text` the first forbidden term begins.

        Unless the text has `ended`, a term at its very end whose last word may still become another
        one (`cure`, `cured`) does not count.
        """
        folded = _folded(text)
        found = [
            place.start
            for term in map(_folded_term, self.forbidden_terms)
            for place in _places(term, folded)
            if ended or place.end < len(folded) or not _joins(folded[-1])
        ]
        return _unfolded(text, min(found)) if found else None

    def harmless(self, text: str) -> int:
        """How many first letters of `text` are in no forbidden term, whatever comes after the text.

        Holds for a text in which nothing forbidden is found yet.
        """
        folded = _folded(text)
        whole = len(folded)
        while whole and combining(folded[whole - 1]):  # further accents would be sorted in between
            whole -= 1
        begun = [
            whole - size
            for term in map(_folded_term, self.forbidden_terms)
            for size in range(1, min(len(term), whole) + 1)
            if folded.endswith(term[:size], 0, whole) and not _within_word(folded, whole - size)
        ]
        return _unfolded(text, min(begun)) if begun else len(text)


@dataclass(frozen=True)
class _Place:
    start: int
    end: int


_UNBROKEN = (
    ("\u1100", "\u11ff"),
    ("\u2e80", "\u9fff"),
    ("\uac00", "\ud7af"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)
"""Scripts without breaks around words: Chinese, kana and Hangul, whose particles cling to the noun."""
_PLAIN_SIGNS = str.maketrans("\u2010\u2011\u2018\u2019", "--''")
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Unicode's Default_Ignorable_Code_Point: soft hyphens, zero-width spaces and joiners, and the like."""


def _folded(text: str) -> str:
    """One spelling for what reads the same: case, full width, accents, hyphens, apostrophes, spaces.

    Decomposed, so that more text never changes how the text before it is spelled.
    """
    if not text.isascii():
        text = normalize("NFKD", _UNSEEN.sub("", text)).translate(_PLAIN_SIGNS)
    return re.sub(r"\s+", " ", normalize("NFKD", text.casefold()))


@lru_cache(maxsize=1024)
def _folded_term(term: str) -> str:
    return _folded(term).strip()


def _unfolded(text: str, place: int) -> int:
    """Where in `text` stands what stands at `place` when it is folded."""
    return bisect_right(range(1, len(text) + 1), place, key=lambda size: len(_folded(text[:size])))


def _places(term: str, folded: str) -> Iterator[_Place]:
    """Where `term` stands in `folded` as whole words."""
    start = folded.find(term)
    while start >= 0:
        end = start + len(term)
        if not _within_word(folded, start) and not _within_word(folded, end):
            yield _Place(start, end)
        start = folded.find(term, start + 1)


def _within_word(text: str, position: int) -> bool:
    """True if the letters on both sides of `position` belong to one word, or are one letter."""
    if not 0 < position < len(text):
        return False
    return _clings(text[position]) or (_joins(text[position - 1]) and _joins(text[position]))


def _clings(letter: str) -> bool:
    """An accent, a voicing mark, or a vowel or final consonant of a Hangul syllable."""
    return combining(letter) > 0 or "\u1160" <= letter <= "\u11ff"


def _joins(letter: str) -> bool:
    word = letter.isalnum() or letter == "_" or combining(letter) > 0
    return word and not any(low <= letter <= high for low, high in _UNBROKEN)


class Brief(Frozen):
    """One request: what to write about, for whom, and where it will be published."""

    task: str = "ad_copy"
    product: Text
    channel: str
    field: str
    line: Slug | None = None
    audience: str = ""
    attributes: dict[str, str] = {}
    notes: str = ""


class Example(Brief):
    """A brief with the text that a person wrote for it: one training row."""

    id: Text
    text: Text

    @field_validator("text")
    @classmethod
    def _no_control_characters(cls, text: str) -> str:
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", text):
            raise ValueError("contains control characters")
        return text

    def brief(self) -> Brief:
        """The request without the answer."""
        return Brief(**{name: getattr(self, name) for name in Brief.model_fields})


def load_brand(path: Path) -> Brand:
    """Read a brand profile, and the claims file that it names.

    Raises:
        DocumentError, RecipeError: with every problem and its line.
    """
    document = read_document(path)
    named = document.value.get("claims")
    if not isinstance(named, str):
        return validated(Brand, document.value, document.places)
    claims = read_document(path.parent / named)
    permitted = validated(Claims, claims.value, claims.places).claims
    brand = validated(Brand, {**document.value, "claims": []}, document.places)
    return brand.model_copy(update={"claims": permitted})
