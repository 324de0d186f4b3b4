"""A brand, a tiny base and studies of a few short trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna

from lora_marketing.data.dataset import prepare
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.runs.run import BaseCache
from lora_marketing.tuning.journal import StudyPlan, TrialRow
from lora_marketing.tuning.space import Range, Space
from lora_marketing.tuning.study import run_study
from tests.making import write_world

optuna.logging.set_verbosity(optuna.logging.WARNING)

RECIPE = """\
schema: 1
base:
  id: {base}
  quantization: none
  compute_dtype: float32
lora: {{rank: 4, alpha: 8}}
brand: {{profile: brand.yaml, line: soap}}
data: {{train: texts.jsonl, validation_fraction: 0.25, max_length: 4096}}
train: {{epochs: 1, batch_size: 3, micro_batch_size: 3, learning_rate: 5e-3}}
eval: {{per_epoch: 3, patience: 100, briefs: 2, max_new_tokens: 4}}
"""
SPACE = Space(schema=1, rank=[2, 4], alpha_per_rank=[1, 2], learning_rate=Range(low=1e-3, high=2e-2))


class World:
    """A recipe in a folder, and the studies of it."""

    def __init__(self, root: Path, base: Path) -> None:
        self.root = root
        self.recipe = write_world(root / "brands", RECIPE.format(base=base))
        self.folder = root / "study"
        self.holder = BaseCache()

    def load(self, *overrides: str) -> LoadedRecipe:
        return load_recipe(self.recipe, overrides)

    def rival(self) -> LoadedRecipe:
        """The recipe of another brand."""
        recipe = write_world(self.root / "rival", self.recipe.read_text())
        brand = recipe.parent / "brand.yaml"
        brand.write_text(brand.read_text().replace("name: tidal", "name: ember", 1))
        texts = recipe.parent / "texts.jsonl"
        texts.write_text(texts.read_text().replace("It floats.", "Does it float?"))
        return load_recipe(recipe)

    def study(
        self, trials: int, *overrides: str, resume: bool = False, folder: str = "study", **plan: Any
    ) -> list[TrialRow]:
        loaded = self.load(*overrides)
        values: dict[str, Any] = {"objective": "held_out_loss", "space": SPACE, "startup": 2} | plan
        return run_study(
            loaded,
            prepare(loaded),
            StudyPlan(trials=trials, **values),
            self.holder,
            self.root / folder,
            resume=resume,
        )


def results(rows: Sequence[TrialRow]) -> list[Any]:
    """All of the rows but the time they took."""
    return [(row.number, row.state, row.settings, row.figures, row.repeats) for row in rows]
