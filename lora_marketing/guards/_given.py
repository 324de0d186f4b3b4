"""Collects the texts that a text may take its facts from: the brief and the brand's profile."""

from __future__ import annotations

from collections.abc import Iterator

from lora_marketing.brands.brand import Brief
from lora_marketing.guards import Case


def known_texts_of(case: Case) -> Iterator[str]:
    """Yield all texts of the brief and the brand's profile that the text may take its facts from."""
    brief, brand = case.brief, case.brand
    yield from (brief.product, brief.audience, brief.notes)
    yield from attributes_of(brief)
    yield from (brand.display_name, brand.guide, *brand.facts, *brand.required_terms, *brand.lines.values())
    for claim in brand.claims:
        yield from claim.says
        if claim.disclaimer:
            yield claim.disclaimer


def attributes_of(brief: Brief) -> tuple[str, ...]:
    """The attributes of the brief as texts, such as `weight: 250 g`."""
    return tuple(f"{name}: {value}" for name, value in brief.attributes.items())
