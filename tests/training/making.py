"""A small brand, its rows, recipes and tiny bases to train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, settings

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.data.dataset import Dataset
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.tiny_base import make_tiny_base
from lora_marketing.recipe import LoadedRecipe, Recipe, variant_names
from lora_marketing.training import build
from lora_marketing.training.progress import ProgressCallback
from lora_marketing.training.rendering import RenderedData, render_dataset
from lora_marketing.training.trainer import BrandTrainer

property_test = settings(
    deadline=None,  # machines that build and test at once are slow now and then
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
BRAND = Brand.model_validate(
    {
        "schema": 1,
        "name": "ember",
        "display_name": "Ember",
        "locale": "en-GB",
        "lines": {"espresso": "Beans for short, strong shots."},
        "guide": "Write short sentences. Give grams and pounds, not adjectives. End flat.",
        "facts": ["250 g bags cost £9."],
    }
)
PROMPTS = ("template_arguments", "system_turn", "chat_date")
"""Keys of the section base that `recipe` takes by their names."""
PRODUCTS = ("Nightshift Blend", "Depot Decaf", "First Bus")
ENDINGS = ("Dark roast.", "You'll see the sun. Eventually.", "18 g in, 36 g out, 28 seconds.", "£9.")


def example(number: int) -> Example:
    """A row; texts differ in length, and many rows begin alike."""
    text = " ".join(ENDINGS[(number * step) % 4] for step in range(1, 2 + number % 5))
    return Example(
        id=f"row-{number}",
        product=PRODUCTS[number % 3],
        channel="google_rsa",
        field="headline",
        text=f"{number}. {text}",
    )


def dataset(train: int = 24, validation: int = 5) -> Dataset:
    rows = [example(number) for number in range(train + validation)]
    return Dataset(rows[:train], rows[train:], 0)


def make_base(folder: Path, model_type: str = "llama", template: str = "smollm2") -> Path:
    texts = [row.text for row in dataset().train] + [BRAND.guide, *PRODUCTS]
    return make_tiny_base(model_type, template, texts, folder)


def recipe(
    base: Path, *, quantization: str = "none", dtype: str = "float32", **sections: Any
) -> LoadedRecipe:
    """A short run: 24 rows are 6 steps an epoch with an evaluation every third; sections override."""
    prompts = {name: sections.pop(name) for name in PROMPTS if name in sections}
    values: dict[str, dict[str, Any]] = {
        "base": {
            "id": str(base),
            "quantization": quantization,
            "compute_dtype": dtype,
            **prompts,
        },
        "lora": {"rank": 4, "alpha": 8},
        "data": {"train": "texts.jsonl"},
        "train": {"epochs": 2.0, "batch_size": 4, "micro_batch_size": 2, "learning_rate": 5e-3},
        "eval": {"per_epoch": 2, "patience": 100, "briefs": 1, "max_new_tokens": 4},
        "brand": {"profile": "brand.yaml", "line": "espresso"},
    }
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section}
    return LoadedRecipe(Path("recipe.yaml"), Recipe.model_validate({"schema": 1, **values}), BRAND, {})


def open_run(loaded: LoadedRecipe, data: Dataset | None = None) -> tuple[LoadedBase, RenderedData]:
    base = load_base(loaded.recipe.base)
    return base, render_dataset(data or dataset(), loaded, base)


def build_trainer(loaded: LoadedRecipe, base: LoadedBase, data: RenderedData, run: Path) -> BrandTrainer:
    """The trainer as `train` builds it, with LoRA weights that all have a gradient."""
    assert loaded.recipe.lora.variant in variant_names()
    trainer = build.build_trainer(loaded.recipe, data, base, run, ProgressCallback("test"))
    generator = torch.Generator().manual_seed(5)
    for name, parameter in trainer.model.named_parameters():
        if "lora_B" in name:
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator) / 10)
    return trainer


def lora_gradients(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all gradients, which are then cleared."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            found[name] = parameter.grad.clone()
            parameter.grad = None
    return found


def padded(
    rows: Sequence[dict[str, Sequence[int]]], pad: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(rows, longest) ids, labels and attention mask, padded on the right."""
    width = max(len(row["input_ids"]) for row in rows)
    ids = [[*row["input_ids"], *[pad] * (width - len(row["input_ids"]))] for row in rows]
    labels = [[*row["labels"], *[-100] * (width - len(row["labels"]))] for row in rows]
    mask = [[1] * len(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows]
    return torch.tensor(ids), torch.tensor(labels), torch.tensor(mask)
