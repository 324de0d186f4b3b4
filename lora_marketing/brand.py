"""A client's voice, one request for copy, and the texts that teach it: plain YAML and JSON lines."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated
from unicodedata import normalize

from pydantic import Field, StringConstraints, field_validator

from lora_marketing.documents import Frozen, read_document, validated

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Brand(Frozen):
    """A client's voice and policy. One object for prompts, data checks, evaluation and guards."""

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
        return [term for term in (*self.banned_terms, *self.competitors) if _occurs(term, folded)]


_UNBROKEN = (("\u2e80", "\u9fff"), ("\uac00", "\ud7af"), ("\uf900", "\ufaff"), ("\U00020000", "\U0003ffff"))
"""Scripts without breaks around words: Chinese, kana and Hangul, whose particles cling to the noun."""
_PLAIN_SIGNS = str.maketrans("\u2010\u2011\u2018\u2019", "--''")


def _folded(text: str) -> str:
    """One spelling for what reads the same: case, full width, accents, hyphens, apostrophes."""
    return normalize("NFKC", normalize("NFKC", text).casefold()).translate(_PLAIN_SIGNS)


@lru_cache(maxsize=1024)
def _term_pattern(term: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(map(re.escape, _folded(term).split())))


def _occurs(term: str, folded: str) -> bool:
    return any(
        not _within_word(folded, found.start()) and not _within_word(folded, found.end())
        for found in _term_pattern(term).finditer(folded)
    )


def _within_word(text: str, position: int) -> bool:
    """True if the letters on both sides of `position` belong to one word."""
    return 0 < position < len(text) and all(map(_joins, text[position - 1 : position + 1]))


def _joins(letter: str) -> bool:
    return (letter.isalnum() or letter == "_") and not any(low <= letter <= high for low, high in _UNBROKEN)


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
    """Read a brand profile.

    Raises:
        DocumentError, RecipeError: with every problem and its line.
    """
    document = read_document(path)
    return validated(Brand, document.value, document.places)
