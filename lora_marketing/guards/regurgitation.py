"""Regurgitation: finds passages that repeat the adapter's training texts word for word."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from lora_marketing.guards import Case, Finding
from lora_marketing.guards._given import known_texts_of
from lora_marketing.text.known_texts import KnownTexts

_SHORT = 4
"""A copied whole text with fewer words is a common phrase and is allowed."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find a copied run of eight or more words (sixteen Chinese characters), or a copied whole text.

    Passages of the brief and of the brand's profile may be repeated. Without `case.known` nothing is found.
    """
    if case.known is None:
        return
    overlap = case.known.overlap(text, _own(tuple(known_texts_of(case))))
    if overlap.span is None:
        return
    if overlap.whole and overlap.words >= _SHORT:
        message = "this text is one that the adapter was trained on"
        rewrite = "write it again, with another seed"
        yield Finding(
            rule="regurgitation.whole", severity="fix", message=message, span=overlap.span, suggestion=rewrite
        )
    elif not overlap.whole:
        message = f"{overlap.words} words in a row were trained on ({overlap.share:.0%} of the text is known)"
        yield Finding(rule="regurgitation.run", severity="review", message=message, span=overlap.span)


@lru_cache(maxsize=256)
def _own(texts: tuple[str, ...]) -> KnownTexts:
    return KnownTexts.of(texts)
