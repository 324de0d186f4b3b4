"""Required: finds required terms of the brand that are missing in the text."""

from __future__ import annotations

from collections.abc import Iterator

from lora_marketing.channels.structure import pieces
from lora_marketing.guards import Case, Finding
from lora_marketing.text.spelling import folded, folded_term, places


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find missing required terms; in a whole ad, any piece may have them."""
    said = [folded(piece.text) for piece in pieces(text, case.brief)]
    for term in case.brand.required_terms:
        if not any(found for one in said for found in places(folded_term(term), one)):
            yield Finding(rule="required", severity="fix", message=f'"{term}" is missing', suggestion=term)
