"""Does copy sound like the brand it was written for? A classifier of real texts, and its count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lora_marketing.channels.structure import plain
from lora_marketing.common.errors import DataError, Problem
from lora_marketing.copy.record import Copy
from lora_marketing.data.dataset import read_texts
from lora_marketing.metrics.voice import HeldOutAccuracy, VoiceClassifier, VoiceScore, VoiceText
from lora_marketing.recipe import LoadedRecipe

BASE = "base"
"""The writer of copy that has no adapter."""


@dataclass(frozen=True)
class VoiceRow:
    """How often the copy of one writer (an adapter or the bare base) sounds like the brand it was for."""

    writer: str
    brand: str
    score: VoiceScore
    stopped: float


@dataclass(frozen=True)
class VoiceReport:
    """The classifier's own held-out accuracy, and a row per writer and brand."""

    held_out: HeldOutAccuracy
    rows: Sequence[VoiceRow]

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def of(self, *, adapters: bool) -> float:
        """Share named right over all texts of adapters, or of the bare base."""
        rows = [row for row in self.rows if (row.writer != BASE) == adapters]
        return sum(row.score.named_right for row in rows) / max(1, sum(row.score.n for row in rows))


def fit_voices(recipes: Sequence[LoadedRecipe], seed: int) -> VoiceClassifier:
    """Learn the voices of the recipes' brands from all their real texts.

    Raises:
        DataError: fewer than two brands, or too few texts.
    """
    return VoiceClassifier.fit(*taught(recipes), seed)


def taught(recipes: Sequence[LoadedRecipe]) -> tuple[list[VoiceText], set[str]]:
    """What voices are learned from: all real texts of the recipes' brands, and names that tell no voice."""
    texts: dict[tuple[str, str], VoiceText] = {}
    names: set[str] = set()
    for loaded in recipes:
        brand = loaded.brand
        names.update((brand.display_name, *brand.competitors))
        for _, row in read_texts(loaded):
            text = plain(row.text, row)
            texts[brand.name, text] = VoiceText(brand.name, text, row.product)
            names.update((row.product, *row.attributes.values()))
    return list(texts.values()), names


def score_voices(copies: Sequence[Copy], recipes: Sequence[LoadedRecipe], seed: int) -> VoiceReport:
    """Name the brand of every copy and count how often it is the brand it was written for.

    Raises:
        DataError: copies of a brand that no recipe teaches.
    """
    require_taught(copies, recipes)
    classifier = fit_voices(recipes, seed)
    writers = sorted({(copy.adapter or BASE, copy.brand) for copy in copies})
    rows = []
    for writer, brand in writers:
        own = [copy for copy in copies if (copy.adapter or BASE) == writer and copy.brand == brand]
        score = classifier.score([plain(copy.text, copy.brief) for copy in own], brand)
        rows.append(VoiceRow(writer, brand, score, sum(copy.stopped for copy in own) / len(own)))
    return VoiceReport(classifier.heldout_accuracy, rows)


def require_taught(copies: Sequence[Copy], recipes: Sequence[LoadedRecipe]) -> None:
    """Refuse copies of a brand that no recipe knows.

    Raises:
        DataError: with the brands.
    """
    untaught = {copy.brand for copy in copies} - {loaded.brand.name for loaded in recipes}
    if untaught:
        fix = "add a --recipe of that brand"
        raise DataError(
            Problem("copies of brands without real texts", got=", ".join(sorted(untaught)), fix=fix)
        )
