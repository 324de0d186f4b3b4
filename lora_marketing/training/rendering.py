"""From a recipe's rows to token ids, before the first step; long rows and broken templates are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.common.console import note
from lora_marketing.common.errors import DataError, Problem
from lora_marketing.data.dataset import Dataset
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.tokens.render import ChatTokenizer, Rendered
from lora_marketing.tokens.rendered_pairs import longest, render_row
from lora_marketing.training.preference import overlong_problems


@dataclass(frozen=True)
class RenderedData:
    """Token ids of both splits, and how many rows were dropped as too long."""

    train: Sequence[Rendered]
    validation: Sequence[Rendered]
    overlong_dropped: int

    def sizes(self) -> dict[str, int]:
        """What goes into the manifest: how many rows were trained on and held out, and were dropped."""
        rows = {"train_rows": len(self.train), "validation_rows": len(self.validation)}
        return {**rows, "overlong_dropped": self.overlong_dropped}


def render_dataset(dataset: Dataset, loaded: LoadedRecipe, base: ChatTokenizer) -> RenderedData:
    """Render every row, which proves the render contract before the first step.

    Rows that are dropped as too long are counted in a note.

    Raises:
        RenderContractError: the base's chat template breaks it.
        DataError: rows longer than `data.max_length`, unless `data.overlong` is `drop`.
    """
    train = _rendered(dataset.train, loaded.brand, base)
    validation = _rendered(dataset.validation, loaded.brand, base)
    limit = loaded.recipe.data.max_length
    overlong = [row for row in (*train, *validation) if longest(row) > limit]
    if overlong and loaded.recipe.data.overlong == "error":
        if loaded.recipe.train.method == "dpo":
            raise DataError(overlong_problems(overlong, limit))
        worst = max(overlong, key=lambda row: len(row.input_ids))
        raise DataError(
            Problem(
                f"{len(overlong)} rows are longer than data.max_length",
                worst.place or None,
                got=f"row {worst.id} has {len(worst.input_ids)} tokens",
                allowed=f"at most {limit}",
                fix="raise data.max_length, shorten the rows, or set data.overlong: drop",
            )
        )
    kept, kept_validation = ([row for row in rows if longest(row) <= limit] for rows in (train, validation))
    if not (kept and kept_validation):
        raise DataError(Problem("every row is longer than data.max_length", allowed=f"at most {limit}"))
    if overlong:
        rows = "pairs" if loaded.recipe.train.method == "dpo" else "rows"
        note(
            f"{loaded.name}: {len(train) - len(kept)} of {len(train)} training {rows} and"
            f" {len(validation) - len(kept_validation)} of {len(validation)} held-out ones dropped:"
            f" longer than data.max_length ({limit} tokens)"
        )
    return RenderedData(kept, kept_validation, len(overlong))


def _rendered(rows: Sequence[Example], brand: Brand, base: ChatTokenizer) -> list[Rendered]:
    return [render_row(row, brand, base) for row in rows]
