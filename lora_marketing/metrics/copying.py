"""Copying rate: the share of texts with a long passage that stands in the training texts, word for word.

Long is eight words or sixteen Chinese characters, as `known_texts` has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lora_marketing.metrics import Counts, Figure, MeasuredText
from lora_marketing.text.known_texts import KnownTexts
from lora_marketing.text.words import words

FIGURES = {"copying_rate": Figure("copied from training texts", "share", "less")}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """1 for a text with a copied passage, where somebody looked."""
    for written in texts:
        yield {} if written.copied is None else {"copying_rate": (float(written.copied > 0), 1.0)}


class Passages:
    """Texts whose long passages are noticed when they come again, and what is `known` besides."""

    def __init__(self, texts: Iterable[str], known: KnownTexts | None = None) -> None:
        self.known = KnownTexts.of(texts) | (known or KnownTexts.of(()))

    def longest(self, text: str) -> int:
        """Words (Chinese characters) of the longest passage of `text` that is known; 0 if none is long."""
        span = self.known.overlap(text).span
        return len(words(text[slice(*span)])) if span else 0
