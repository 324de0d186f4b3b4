"""Copying rate: the share of texts with a passage copied word for word from the training texts.

A passage counts from eight words or sixteen Chinese characters on, as in `text.known_texts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lora_marketing.metrics import Counts, Figure, MeasuredText
from lora_marketing.text.known_texts import KnownTexts
from lora_marketing.text.words import words

FIGURES = {"copying_rate": Figure("copied from training texts", "share", "less")}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """1 for a text with a copied passage, else 0; nothing for a text that was not checked."""
    for written in texts:
        yield {} if written.copied is None else {"copying_rate": (float(written.copied > 0), 1.0)}


class Passages:
    """Finds long passages of `texts`, and of the hashed texts `known`, in other texts."""

    def __init__(self, texts: Iterable[str], known: KnownTexts | None = None) -> None:
        self.known = KnownTexts.of(texts) | (known or KnownTexts.of(()))

    def longest(self, text: str) -> int:
        """Words (Chinese characters) in the longest copied passage of `text`; 0 if there is none."""
        span = self.known.overlap(text).span
        return len(words(text[slice(*span)])) if span else 0
