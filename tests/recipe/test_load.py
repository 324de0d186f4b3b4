from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lora_marketing.common.documents import parse_scalar, shown
from lora_marketing.common.errors import DocumentError, LoraMarketingError, RecipeError
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.recipe.extra import idle_problems
from lora_marketing.recipe.schema import CHAT_DATE, TrainSection
from tests.making import RECIPE, ROOT, rows, write_rows, write_world


def problems_of(path: Path, overrides: tuple[str, ...] = ()) -> list[tuple[str, str, str | None]]:
    """(place, what, allowed) of every problem, the recipe's own path cut from the places."""
    with pytest.raises(LoraMarketingError) as caught:
        load_recipe(path, overrides)
    own = shown(path)
    return [(str(p.where).removeprefix(own), p.what, p.allowed) for p in caught.value.problems]


def history_of(loaded: LoadedRecipe, *key: str) -> list[tuple[object, str]]:
    """(value, file name:line) of every place that set the key, oldest first."""
    return [(setting.value, Path(setting.place).name) for setting in loaded.history[key]]


def extended(folder: Path, text: str, **files: str) -> Path:
    """A recipe on top of the small world's, and more files next to it."""
    write_world(folder)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content, encoding="utf-8")
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_smallest_recipe(tmp_path: Path) -> None:
    loaded = load_recipe(write_world(tmp_path))
    assert loaded.name == "tidal/soap"
    assert loaded.train_file == tmp_path / "texts.jsonl"
    assert loaded.validation_file is None
    assert loaded.recipe.train.learning_rate == 2e-4
    with pytest.raises(ValueError, match="frozen"):
        loaded.recipe.train.epochs = 5  # type: ignore[misc]


def test_what_extends_wins_and_the_history_keeps_all(tmp_path: Path) -> None:
    path = extended(tmp_path, "extends: recipe.yaml\ntrain:\n  epochs: 5\nlora: {rank: 4}\n")
    loaded = load_recipe(path, ["train.epochs=7", "train.epochs=9"])
    assert (loaded.recipe.train.epochs, loaded.recipe.lora.rank) == (9, 4)
    assert history_of(loaded, "train", "epochs") == [
        (5, "own.yaml:3"),
        (7, "--set train.epochs=7"),
        (9, "--set train.epochs=9"),
    ]
    assert history_of(loaded, "lora", "rank") == [(4, "own.yaml:4")]
    assert history_of(loaded, "schema") == [(1, "recipe.yaml:1")]
    assert ("train", "seed") not in loaded.history


def test_of_several_parents_the_later_wins(tmp_path: Path) -> None:
    path = extended(
        tmp_path,
        "extends: [recipe.yaml, a.yaml, b.yaml]\n",
        a="train: {epochs: 2, batch_size: 8}\nlora: {rank: 4}\n",
        b="train: {epochs: 3}\n",
    )
    recipe = load_recipe(path).recipe
    assert (recipe.train.epochs, recipe.train.batch_size, recipe.lora.rank) == (3, 8, 4)


def test_a_shared_ancestor_does_not_undo_what_a_parent_changed(tmp_path: Path) -> None:
    path = extended(
        tmp_path,
        "extends: [a.yaml, b.yaml]\n",
        a="extends: recipe.yaml\nbase: {id: changed}\n",
        b="extends: ./recipe.yaml\ntrain: {epochs: 3}\n",
    )
    loaded = load_recipe(path)
    assert (loaded.recipe.base.id, loaded.recipe.train.epochs) == ("changed", 3)
    assert len(loaded.history["base", "id"]) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("extends: nowhere.yaml\n", ":1: extends a file that is not there"),
        ("schema: 1\nextends: [recipe.yaml, nowhere.yaml]\n", ":2: extends a file that is not there"),
        ("schema: 1\nextends: {a: b}\n", ":2: extends is not allowed"),
        ("extends: [1]\n", ":1: extends is not allowed"),
        ("extends:\n", ":1: extends is not allowed"),
        ("extends: own.yaml\n", ": extends runs in a circle"),
        ("extends: a.yaml\n", ": extends runs in a circle"),
    ],
)
def test_extends_that_cannot_be_followed(tmp_path: Path, text: str, told: str) -> None:
    path = extended(tmp_path, text, a="extends: [recipe.yaml, own.yaml]\n")
    assert [where + ": " + what for where, what, _ in problems_of(path)] == [told]


def test_a_circle_is_told_with_every_step(tmp_path: Path) -> None:
    path = extended(tmp_path, "extends: a.yaml\n", a="extends: b.yaml\n", b="extends: own.yaml\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    steps = str(caught.value.problems[0].got).split(" -> ")
    assert [Path(step).name for step in steps] == ["own.yaml", "a.yaml", "b.yaml", "own.yaml"]


def test_relative_paths_start_at_the_file_that_sets_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_world(tmp_path / "brand")
    write_world(tmp_path / "desk")
    (tmp_path / "own").mkdir()
    path = tmp_path / "own" / "r.yaml"
    path.write_text(
        "extends: ../brand/recipe.yaml\ndata: {validation: ../desk/texts.jsonl}\nbase: {id: ./weights}\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path / "desk")
    loaded = load_recipe(Path("../own/r.yaml"), ["brand.profile=brand.yaml"])
    assert loaded.train_file == tmp_path / "brand" / "texts.jsonl"
    assert loaded.validation_file == tmp_path / "desk" / "texts.jsonl"
    assert loaded.recipe.brand.profile == str(tmp_path / "desk" / "brand.yaml")
    assert loaded.recipe.base.id == str(tmp_path / "own" / "weights")


def test_a_hub_id_is_not_taken_for_a_path(tmp_path: Path) -> None:
    loaded = load_recipe(write_world(tmp_path), ["base.id=org/model"])
    assert loaded.recipe.base.id == loaded.portable()["base"]["id"] == "org/model"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.epochs", "None: --set needs path=value"),
        ("=3", "None: --set needs path=value"),
        ("train..epochs=2", "None: --set needs path=value"),
        ("train.epochs=[1,", "--set train.epochs=[1,: broken YAML"),
        ("train.extra={a: 1, a: 2}", "--set train.extra={a: 1, a: 2}: duplicate key a"),
        ("train.epochs=!x 2", "--set train.epochs=!x 2:  has a tag, and tags are not allowed"),
        ("train.epoch=2", "--set train.epoch=2: unknown key train.epoch"),
        ("train.epochs=two", "--set train.epochs=two: train.epochs is not allowed"),
        ("lora=plain", "--set lora=plain: lora is not allowed"),
        ("extends=a.yaml", "--set extends=a.yaml: unknown key extends"),
        ("data.train=gone.jsonl", "--set data.train=gone.jsonl: data.train is not there"),
    ],
)
def test_an_override_that_cannot_be_used(tmp_path: Path, override: str, told: str) -> None:
    found = problems_of(write_world(tmp_path), (override,))
    assert [f"{where}: {what}" for where, what, _ in found] == [told]


def test_broken_overrides_are_told_at_once(tmp_path: Path) -> None:
    assert len(problems_of(write_world(tmp_path), ("a", "b=[", "c={"))) == 3


def test_every_problem_of_a_recipe_at_once(tmp_path: Path) -> None:
    path = extended(
        tmp_path,
        "extends: recipe.yaml\nlora:\n  rnak: 8\n  alpha: 1.5\ntrain:\n  epochs: no\n  extra:\n"
        "    learning_rate: 1\n    neftune_noise_alpa: 5\nbudjet: {}\nschema: 2\nbrand:\n  line: Soap\n",
    )
    assert sorted(problems_of(path)) == sorted(
        [
            (":3", "unknown key lora.rnak", 'did you mean "rank"?'),
            (":4", "lora.alpha is not allowed", "Input should be a valid integer"),
            (":6", "train.epochs is not allowed", "Input should be a valid number"),
            (":8", "train.extra.learning_rate is not allowed", None),
            (":9", "unknown key train.extra.neftune_noise_alpa", 'did you mean "neftune_noise_alpha"?'),
            (":10", "unknown key budjet", 'did you mean "budget"?'),
            (":11", "schema is not allowed", "Input should be less than or equal to 1"),
            (":13", "brand.line is not allowed", "String should match pattern '^[a-z0-9][a-z0-9_-]{0,62}$'"),
        ]
    )


def test_missing_keys_name_the_recipe(tmp_path: Path) -> None:
    path = write_world(tmp_path, "schema: 1\ndata: {max_length: 9}\n")
    assert problems_of(path) == [
        ("", "missing key base", None),
        ("", "missing key brand", None),
        (":2", "missing key data.train", None),
    ]


def test_problems_beyond_the_schema_come_together(tmp_path: Path) -> None:
    path = extended(
        tmp_path,
        "extends: recipe.yaml\nlora: {variant: dorra}\nbrand: {line: sope}\n"
        "train:\n  batch_size: 6\n  micro_batch_size: 4\n  extra: {output_dir: x}\n"
        "data:\n  train: gone.jsonl\n  validation: gone-too.jsonl\n",
    )
    assert sorted(problems_of(path)) == sorted(
        [
            (":2", 'unknown LoRA variant "dorra"', 'did you mean "dora"?'),
            (":3", 'brand tidal has no line "sope"', 'did you mean "soap"?'),
            (":5", "train.batch_size must be a multiple of train.micro_batch_size", None),
            (":7", "train.extra.output_dir is not allowed", None),
            (":9", "data.train is not there", None),
            (":10", "data.validation is not there", None),
        ]
    )


def test_problems_of_the_brand_carry_the_brands_place(tmp_path: Path) -> None:
    path = write_world(tmp_path)
    brand = tmp_path / "brand.yaml"
    brand.write_text(brand.read_text(encoding="utf-8") + "tone: warm\n", encoding="utf-8")
    (tmp_path / "texts.jsonl").unlink()
    found = problems_of(path)
    assert (f"{shown(brand)}:12", "unknown key tone") in [(where, what) for where, what, _ in found]
    assert (":8", "data.train is not there", None) in found
    brand.unlink()
    assert (":5", "brand.profile is not there", None) in problems_of(path)


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        load_recipe(tmp_path / "gone.yaml")


def test_numbers_must_be_finite(tmp_path: Path) -> None:
    path = extended(
        tmp_path,
        "extends: recipe.yaml\ntrain:\n  weight_decay: .inf\n  extra:\n    adam_epsilon: .nan\n",
    )
    assert [(where, what) for where, what, _ in problems_of(path)] == [
        (":3", "train.weight_decay is not allowed"),
        (":5", "train.extra.adam_epsilon is not allowed"),
    ]


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*/*.yaml")), ids=lambda path: path.stem)
def test_the_example_recipes_load(recipe: Path) -> None:
    if recipe.parent.name == "bases":
        with pytest.raises(RecipeError, match="missing key brand"):
            load_recipe(recipe)
    else:
        load_recipe(recipe)


def test_the_digest_is_the_same_in_another_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = load_recipe(ROOT / "recipes/24gb/qwen3-8b-shanyu-camp.yaml")
    shutil.copytree(ROOT / "recipes", tmp_path / "elsewhere" / "kit")
    monkeypatch.chdir(tmp_path)
    there = load_recipe(Path("elsewhere/kit/24gb/qwen3-8b-shanyu-camp.yaml"))
    assert there.digest() == here.digest()
    assert there.portable() == here.portable()
    assert str(tmp_path) not in str(there.portable())
    assert there.portable()["data"]["train"] == "../brands/shanyu/texts.jsonl"


def test_a_file_far_away_is_recorded_by_its_name_only(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "two" / "three"
    folder.mkdir(parents=True)
    path = write_world(folder)
    far = write_rows(tmp_path / "texts.jsonl", rows())
    assert load_recipe(path, [f"data.train={far}"]).portable()["data"]["train"] == "texts.jsonl"


@pytest.mark.parametrize(
    ("folder", "recorded"), [("base", "./base"), ("../base", "../base"), ("../../../base", "./base")]
)
def test_a_local_base_stays_a_path_in_the_record(tmp_path: Path, folder: str, recorded: str) -> None:
    here = tmp_path / "one" / "two" / "three"
    here.mkdir(parents=True)
    base = (here / folder).resolve()
    assert load_recipe(write_world(here), [f"base.id={base}"]).portable()["base"]["id"] == recorded


def test_the_digest_does_not_care_who_set_a_key_but_what_it_is(tmp_path: Path) -> None:
    path = write_world(tmp_path)
    plain = load_recipe(path).digest()
    assert load_recipe(path, ["train.seed=13", "lora.rank=16"]).digest() == plain
    assert load_recipe(path, [f"data.train={tmp_path / 'texts.jsonl'}"]).digest() == plain
    assert load_recipe(path, ["train.seed=14"]).digest() != plain


def test_a_brand_takes_only_guards_that_there_are(tmp_path: Path) -> None:
    path = write_world(tmp_path)
    with (tmp_path / "brand.yaml").open("a", encoding="utf-8") as profile:
        profile.write("severities:\n  facts.nubmer: fix\n  fact.number: off\n")
    ((where, what, allowed),) = problems_of(path)
    assert (Path(where).name.startswith("brand.yaml:"), what) == (True, 'no guard "fact"')
    assert "facts" in str(allowed)


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ("extra: {adam_beta1: high}", "train.extra.adam_beta1 is of another type"),
        ("extra: {dataloader_drop_last: 1}", "train.extra.dataloader_drop_last is of another type"),
        ("extra: {data_seed: true}", "train.extra.data_seed is of another type"),
        ("extra: {lr_scheduler_kwargs: [1]}", "train.extra.lr_scheduler_kwargs is of another type"),
        ("{extra: {lr_scheduler_kwargs: {}}, scheduler: constant}", "lr_scheduler_kwargs would do nothing"),
        ("extra: {train_sampling_strategy: sideways}", "train_sampling_strategy is not allowed"),
    ],
)
def test_values_of_extra_are_typed_and_those_that_do_nothing_are_told(
    train: str, told: str, tmp_path: Path
) -> None:
    recipe = write_world(tmp_path)
    text = train if train.startswith("{") else "{" + train + "}"
    recipe.write_text(f"{RECIPE}train: {text}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=rf"recipe\.yaml:\d+: .*{told}"):
        load_recipe(recipe)


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("{label_smoothing: 0.1}", "label_smoothing would do nothing"),
        ("{discopop_tau: 0.1, loss_type: [hinge]}", "discopop_tau would do nothing"),
        ("{f_alpha_divergence_coef: 0.1}", "f_alpha_divergence_coef would do nothing"),
        ("{loss_weights: [one]}", "loss_weights is of another type"),
    ],
)
def test_settings_of_another_preference_loss_are_told(extra: str, told: str) -> None:
    section = TrainSection.model_validate({"method": "dpo", "extra": parse_scalar(extra)})
    (problem,) = idle_problems(section, {})
    assert told in str(problem)


@pytest.mark.parametrize("alpha", ["rank: 1, alpha: 128", "rank: 16, alpha: 257, variant: rslora"])
def test_a_scaling_that_the_load_gate_refuses_is_told_before_training(alpha: str, tmp_path: Path) -> None:
    recipe = write_world(tmp_path)
    recipe.write_text(f"{RECIPE}lora: {{{alpha}}}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="more than the load gate lets through") as told:
        load_recipe(recipe)
    assert "at most 64" in str(told.value)
    fitting = alpha.replace("128", "64").replace("257", "256")
    recipe.write_text(f"{RECIPE}lora: {{{fitting}}}\n", encoding="utf-8")
    assert load_recipe(recipe).recipe.lora.alpha in (64, 256)


@pytest.mark.parametrize("day", ["2026-13-01", "20260101", "today", "2026-1-1", ""])
def test_the_day_of_prompts_is_a_day(day: str, tmp_path: Path) -> None:
    recipe = write_world(tmp_path)
    assert load_recipe(recipe).recipe.base.chat_date == CHAT_DATE
    assert load_recipe(recipe, ["base.chat_date=2031-05-06"]).recipe.base.chat_date == "2031-05-06"
    with pytest.raises(RecipeError, match=r"base\.chat_date"):
        load_recipe(recipe, [f'base.chat_date="{day}"'])
