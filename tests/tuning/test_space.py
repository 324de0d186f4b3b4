"""Spaces: what is searched by default, what a file may say, and what a drawn point means."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from lora_marketing.common.errors import DocumentError, LoraMarketingError, RecipeError
from lora_marketing.recipe import Recipe, load_recipe
from lora_marketing.tuning.space import default_space, own_values, read_space, settings_of
from tests.making import write_world


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return load_recipe(write_world(tmp_path)).recipe


def test_the_default_space_holds_the_recipe_and_what_the_base_allows(tmp_path: Path) -> None:
    loaded = load_recipe(write_world(tmp_path), ["lora.rank=12", "lora.alpha=18", "lora.dropout=0.1"])
    space = default_space(loaded.recipe)
    assert space.rank == [4, 8, 12, 16, 32]
    assert space.alpha_per_rank == [1.0, 1.5, 2.0, 4.0]
    assert space.variant == ["plain", "rslora", "loraplus", "loftq"], "no dora with dropout"
    own = own_values(loaded.recipe)
    for name, distribution in space.distributions().items():
        assert distribution._contains(distribution.to_internal_repr(own[name])), name
    loaded = load_recipe(write_world(tmp_path), ["base.quantization=none"])
    assert default_space(loaded.recipe).variant == ["plain", "rslora", "dora", "loraplus"]


def test_a_space_file(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("schema: 1\nrank: [8, 16]\nlearning_rate: {low: 1e-4, high: 1e-3}\n")
    space = read_space(path, recipe)
    assert space.keys == ("rank", "learning_rate")
    assert space.distributions() == {
        "rank": CategoricalDistribution([8, 16]),
        "learning_rate": FloatDistribution(1e-4, 1e-3, log=True),
    }


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("schema: 1\nrnak: [8, 16]\n", 2, '"rank"'),
        ("schema: 1\nrank: 8\n", 2, "list"),
        ("schema: 1\nrank: [16, 0]\n", 2, "greater than or equal to 1"),
        ("schema: 1\nrank:\n- 16\n- two\n", 4, "'two'"),
        ("schema: 1\nrank: [16, 16]\n", 2, "twice"),
        ("schema: 1\nrank: [4, 8]\n", 2, "the recipe has 16"),
        ("schema: 1\nepochs: {low: 4, high: 9}\n", 2, "the recipe has 3.0"),
        ("schema: 1\nlearning_rate: {low: 2e-3, high: 1e-4}\n", 2, "low must be less than high"),
        ("schema: 1\nlearning_rate: {low: 1e-4}\n", 2, "learning_rate.high"),
        ("schema: 1\nvariant:\n- plain\n- lorra\n", 4, "lorra"),
        ("schema: 1\nvariant:\n- plain\n- pissa\n", 4, "loftq"),
        ("schema: 1\nalpha_per_rank: [2.0, 100.0]\n", 2, "load gate lets through"),
        ("schema: 1\n", 1, "nothing to search"),
        ("rank: [16]\n", 1, "schema"),
        ("schema: 1\nrank: [\n", 3, "broken YAML"),
    ],
)
def test_what_is_wrong_with_a_space_file_is_told_by_line(
    text: str, line: int, told: str, tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("space.yaml").write_text(text)
    with pytest.raises((RecipeError, DocumentError)) as caught:
        read_space(Path("space.yaml"), recipe)
    assert str(caught.value).startswith(f"space.yaml:{line}: ")
    assert told in str(caught.value)


def test_a_space_file_must_be_there(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(LoraMarketingError, match="cannot be read"):
        read_space(tmp_path / "gone.yaml", recipe)


def test_a_drawn_point_sets_only_what_was_searched(recipe: Recipe) -> None:
    assert settings_of({}, recipe) == {}
    assert settings_of({"rank": 8}, recipe) == {"lora.rank": 8, "lora.alpha": 16}
    assert settings_of({"alpha_per_rank": 1.0}, recipe) == {"lora.alpha": 16}
    assert settings_of({"learning_rate": 0.00123456, "epochs": 1.23456}, recipe) == {
        "train.learning_rate": 0.00123,
        "train.epochs": 1.23,
    }
    assert settings_of({"variant": "dora"}, recipe) == {"lora.variant": "dora"}


def test_settings_lie_inside_what_a_recipe_allows(recipe: Recipe) -> None:
    assert settings_of({"rank": 1, "alpha_per_rank": 0.1, "epochs": 0.001}, recipe) == {
        "lora.rank": 1,
        "lora.alpha": 1,
        "train.epochs": 0.01,
    }
