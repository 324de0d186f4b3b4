from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from lora_marketing.data.dataset import prepare
from lora_marketing.engine.tiny_base import make_tiny_base
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version
from lora_marketing.runs.run import BaseCache, train_and_publish
from tests.engine.making import base_folder
from tests.making import BRAND, row, write_rows

RECIPE = """\
schema: 1
base: {{id: {base}, quantization: none, compute_dtype: float32}}
lora: {{rank: 4, alpha: 8}}
brand: {{profile: brand.yaml, line: soap}}
data: {{train: texts.jsonl, validation_fraction: 0.25, max_length: 4096}}
train: {{epochs: 1, batch_size: 8, micro_batch_size: 8, learning_rate: 5e-3}}
eval: {{per_epoch: 1, patience: 100, briefs: 1, max_new_tokens: 6}}
"""


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class World:
    """A brand with two trained versions, the older of which is `prod`."""

    root: Path
    recipe: Path
    old: Version
    new: Version

    @property
    def adapters(self) -> Path:
        return self.root / "adapters"

    def load(self, *overrides: str) -> LoadedRecipe:
        return load_recipe(self.recipe, overrides)


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORA_MARKETING_CACHE", str(tmp_path_factory.mktemp("cache")))
        return made(tmp_path_factory.mktemp("world"))


def made(root: Path) -> World:
    texts = [row(number, text=f"Bar {number}. It floats {number % 7} hours.") for number in range(1, 41)]
    make_tiny_base("llama", "smollm2", [str(one["text"]) for one in texts], root / "base")
    (root / "brand.yaml").write_text(BRAND + "gated_aliases: [prod]\n", encoding="utf-8")
    write_rows(root / "texts.jsonl", texts)
    recipe = root / "recipe.yaml"
    recipe.write_text(RECIPE.format(base=root / "base"), encoding="utf-8")
    registry, holder, versions = Registry(root / "adapters"), BaseCache(), []
    for rate in ("1e-3", "5e-3"):
        loaded = load_recipe(recipe, [f"train.learning_rate={rate}"])
        versions.append(
            train_and_publish(loaded, prepare(loaded), holder, registry, root / "runs", resume=False)
        )
    return World(root, recipe, *versions)


@pytest.fixture(scope="package")
def wild_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base whose adapters pull far."""
    return base_folder("llama", tmp_path_factory.mktemp("wild"))
