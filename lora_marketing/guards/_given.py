"""Collects the texts that a text may take its facts from: the brief and the brand's profile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from lora_marketing.brands.brand import Brief
from lora_marketing.guards import Case

Source = Literal["named", "told", "voice"]
"""By name in the brief, in a sentence about product or brand, or in words that state nothing of them."""


def given_texts_of(case: Case) -> Iterator[tuple[str, Source]]:
    """Everything that a text may take its facts from, and how much it says of what the text is about."""
    brief, brand = case.brief, case.brand
    yield brief.product, "voice"
    yield brief.audience, "voice"
    yield brief.notes, "told"
    for attribute in attributes_of(brief):
        yield attribute, "named"
    for words in (brand.display_name, brand.guide, *brand.required_terms, *brand.lines.values()):
        yield words, "voice"
    for fact in brand.facts:
        yield fact, "told"
    for claim in brand.claims:
        for wording in claim.says:
            yield wording, "told"
        if claim.disclaimer:
            yield claim.disclaimer, "told"


def known_texts_of(case: Case) -> Iterator[str]:
    """Everything that a text may take its facts from: the brief and the brand's own profile."""
    return (text for text, _ in given_texts_of(case))


def attributes_of(brief: Brief) -> tuple[str, ...]:
    """The attributes of the brief as texts, such as `weight: 250 g`."""
    return tuple(f"{name}: {value}" for name, value in brief.attributes.items())
