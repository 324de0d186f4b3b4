"""Every recipe runs from end to end on a tiny base of its architecture."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_marketing.bases.catalogue import load_catalogue
from lora_marketing.data.dataset import prepare
from lora_marketing.recipe import load_recipe, variant_named, variant_names
from lora_marketing.runs.smoke import smoke_run
from tests.making import ROOT

RECIPES = ROOT / "recipes"
ALL = sorted(
    path.relative_to(RECIPES)
    for folder in ("24gb", "16gb", "brands")
    for path in RECIPES.glob(f"{folder}/*.yaml")
)
# each architecture once, and each LoRA variant once
PAIRS = {
    "24gb/gemma-3-12b-lumen-serum.yaml": "dora",
    "24gb/llama-3.1-8b-lumen-serum.yaml": "plain",
    "24gb/mistral-7b-ember-filter.yaml": "rslora",
    "16gb/qwen3-4b-shanyu-camp.yaml": "loraplus",
    "16gb/smollm3-3b-lumen-serum.yaml": "plain",
    "brands/ember-espresso.yaml": "loftq",
}


def smoked(recipe: Path, *overrides: str) -> str:
    loaded = load_recipe(recipe, overrides)
    return smoke_run(loaded, prepare(loaded))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_MARKETING_CACHE", str(tmp_path))


def test_the_pairs_below_leave_no_architecture_and_no_variant_out() -> None:
    found = [load_catalogue().find(load_recipe(RECIPES / path).recipe.base.id) for path in ALL]
    kinds = {entry.model_type for entry in found if entry}
    tried = [load_catalogue().find(load_recipe(RECIPES / path).recipe.base.id) for path in PAIRS]
    assert {entry.model_type for entry in tried if entry} == kinds
    assert set(PAIRS.values()) == {name for name in variant_names() if not variant_named(name).refused}
    assert len(ALL) >= 12


@pytest.mark.thorough
@pytest.mark.parametrize(("path", "variant"), PAIRS.items())
def test_a_recipe_of_each_architecture_and_variant_runs(path: str, variant: str) -> None:
    said = smoked(RECIPES / path, f"lora.variant={variant}")
    assert "smoke run ok, " in said
    assert f" {variant}," in said
    assert "published, 2 texts written" in said


@pytest.mark.real
@pytest.mark.parametrize("path", ALL, ids=str)
def test_every_recipe_runs_as_it_is(path: Path) -> None:
    assert "smoke run ok" in smoked(RECIPES / path)
