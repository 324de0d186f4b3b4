"""A client's voice, one request for copy, and the texts that teach it: plain YAML and JSON lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

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
        """Banned terms and competitor names that occur in `text`, whatever their case.

        Latin terms match whole words only (`cure` is not in `secure`); Chinese has no word
        breaks, so Chinese terms match anywhere.
        """
        folded = text.casefold()
        return [
            term for term in (*self.banned_terms, *self.competitors) if _term_pattern(term).search(folded)
        ]


def _term_pattern(term: str) -> re.Pattern[str]:
    folded = term.casefold()
    start = r"\b" if re.match(r"[^\W\u2e80-\u9fff]", folded) else ""
    end = r"\b" if re.search(r"[^\W\u2e80-\u9fff]$", folded) else ""
    return re.compile(f"{start}{re.escape(folded)}{end}")


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
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text):
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
