"""`check` and `explain`, in process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lora_marketing.cli.app import app
from lora_marketing.common.errors import LoraMarketingError
from tests.making import BRANDS, RECIPE, row, rows, write_rows, write_world


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: str | Path) -> LoraMarketingError:
    error = run(*arguments).exception
    assert isinstance(error, LoraMarketingError), error
    assert error.exit_code == 2
    return error


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_world(tmp_path)


def test_check_says_what_each_recipe_trains(recipe: Path) -> None:
    write_rows(recipe.parent / "texts.jsonl", [*rows(), row(1, id="again")])
    other = recipe.with_name("other.yaml")
    other.write_text("extends: recipe.yaml\ndata: {validation_fraction: 0.4}\n", encoding="utf-8")
    assert run("check", recipe, other).stdout.splitlines() == [
        f"{recipe}: tidal/soap, 11 + 1 rows, 1 duplicates dropped",
        f"{other}: tidal/soap, 7 + 5 rows, 1 duplicates dropped",
    ]


def test_check_of_the_examples() -> None:
    recipes = sorted(BRANDS.glob("*.yaml")) + sorted(BRANDS.parent.glob("*gb/*.yaml"))
    result = run("check", *recipes)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == len(recipes) > 8


def test_check_takes_overrides(recipe: Path) -> None:
    assert " 9 + 3 rows" in run("check", recipe, "--set", "data.validation_fraction=0.25").stdout
    error = refused("check", recipe, "--set", "lora.rnak=8", "--set", "train.epochs=x")
    assert [problem.where for problem in error.problems] == ["--set lora.rnak=8", "--set train.epochs=x"]


def test_check_goes_on_after_a_broken_recipe_and_tells_a_shared_problem_once(recipe: Path) -> None:
    shutil.copy(recipe, recipe.with_name("same.yaml"))
    write_rows(recipe.parent / "texts.jsonl", ["{", "["])
    write_world(recipe.parent / "good")
    typo = recipe.with_name("typo.yaml")
    typo.write_text(RECIPE + "lroa: {}\n", encoding="utf-8")
    result = run("check", recipe, recipe.with_name("same.yaml"), typo, recipe.parent / "good" / "recipe.yaml")
    assert "good/recipe.yaml: tidal/soap" in result.stdout
    assert isinstance(result.exception, LoraMarketingError)
    told = [problem.what for problem in result.exception.problems]
    assert told == ["broken JSON", "broken JSON", "unknown key lroa"]


def test_check_needs_a_recipe() -> None:
    assert "no recipe given" in str(refused("check"))


def test_the_json_schema_is_one_document() -> None:
    schema = json.loads(run("check", "--json-schema").stdout)
    assert schema["title"] == "lora-marketing recipe"
    assert schema["additionalProperties"] is False
    assert "schema" in schema["properties"]


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("train.seed", ["train.seed = 13", "  the default"]),
        ("lora.rank", ["lora.rank = 4", "  set 4 at own.yaml:2"]),
        ("base.id", ['base.id = "smollm2-135m"', '  set "smollm2-135m" at recipe.yaml:3']),
        (
            "train.epochs",
            [
                "train.epochs = 9.0",
                "  set 9 at --set train.epochs=9",
                "  overrides 7 at --set train.epochs=7",
                "  overrides 5 at own.yaml:4",
            ],
        ),
        ("data.overlong", ['data.overlong = "error"', "  the default"]),
        ("train.extra.optim_args", ['train.extra.optim_args = "山屿"', '  set "山屿" at own.yaml:5']),
    ],
)
def test_explain_says_who_set_what(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, key: str, lines: list[str]
) -> None:
    text = "extends: recipe.yaml\nlora: {rank: 4}\ntrain:\n  epochs: 5\n  extra: {optim_args: 山屿}\n"
    recipe.with_name("own.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(recipe.parent)
    result = run("explain", "own.yaml", key, "--set", "train.epochs=7", "--set", "train.epochs=9")
    assert result.stdout.splitlines() == lines


def test_explain_of_an_unknown_key(recipe: Path) -> None:
    assert 'did you mean "train.learning_rate"?' in str(refused("explain", recipe, "train.learningrate"))


def test_check_warns_of_a_market_whose_law_no_rule_knows(recipe: Path) -> None:
    profile = recipe.with_name("brand.yaml")
    assert "warning" not in run("check", recipe).stderr
    profile.write_text(profile.read_text(encoding="utf-8") + "markets: [GB, DE]\n", encoding="utf-8")
    result = run("check", recipe)
    assert result.exit_code == 0
    assert "no claims rules for DE" in result.stderr
