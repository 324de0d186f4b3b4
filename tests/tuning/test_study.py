"""One study: what it tries, what it survives, what it leaves behind."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from lora_marketing.common.documents import shown
from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.recipe import load_recipe
from lora_marketing.tuning import study as tuning
from lora_marketing.tuning.journal import JOURNAL, TrialRow
from lora_marketing.tuning.results import best_of, write_best, write_table
from lora_marketing.tuning.space import Range, Space, TrialSettings, with_settings
from tests.training.test_train import assert_untouched, state_of
from tests.tuning.making import SPACE, World, results

pytestmark = pytest.mark.thorough


class Killed(BaseException):
    """Like a signal: no `except` of the kit stops it."""


def kill_in_trial(number: int, patched: pytest.MonkeyPatch, error: BaseException) -> list[Path]:
    """Let the training of one trial end with `error`, half way; returns the run folders begun."""
    real, begun = tuning.train, []

    def train(*arguments: Any, **keywords: Any) -> Any:
        run = arguments[3]
        begun.append(run)
        trained = real(*arguments, **keywords)
        if run.name == f"trial-{number:03}":
            raise error
        return trained

    patched.setattr(tuning, "train", train)
    return begun


@pytest.mark.thorough
def test_a_study_finishes_and_leaves_nothing_but_its_journal(world: World) -> None:
    rows = world.study(4)
    assert [row.number for row in rows] == [0, 1, 2, 3]
    assert rows[0].settings == {"lora.rank": 4, "lora.alpha": 8, "train.learning_rate": 5e-3}
    assert all(row.figures.keys() == {"held_out_loss", "stop_rate", "chrf"} for row in rows)
    assert len({str(row.settings) for row in rows}) > 2
    assert {path.name for path in world.folder.iterdir()} == {JOURNAL}, "run folders are deleted"


@pytest.mark.thorough
def test_the_base_is_untouched(world: World) -> None:
    """On NF4, by the variants that touch it most; what is drawn again is not trained again."""
    nf4 = ["base.quantization=nf4", "base.compute_dtype=bfloat16"]
    section = world.load(*nf4).recipe.base
    base = world.holder.get(section)
    before = state_of(base)
    rows = world.study(12, *nf4, space=Space(schema=1, variant=["plain", "dora", "loftq"]))
    assert {row.settings["lora.variant"] for row in rows} == {"plain", "dora", "loftq"}
    assert world.holder.get(section) is base
    assert_untouched(base, before)


@pytest.mark.thorough
def test_a_killed_study_goes_on_as_if_nothing_had_happened(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = world.study(4, folder="whole")
    with monkeypatch.context() as patched:
        kill_in_trial(2, patched, Killed())
        with pytest.raises(Killed):
            world.study(4)
    assert not list(world.folder.glob("trial-*"))
    journal = world.folder / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"op_code":8,"work')  # the kill tore the last line
    begun = kill_in_trial(-1, monkeypatch, Killed())
    assert results(world.study(4, resume=True)) == results(whole)
    names = [run.name for run in begun]
    assert names == ["trial-002", "trial-003"], "finished trials are not trained again"
    begun.clear()
    assert results(world.study(4, resume=True)) == results(whole)
    assert begun == [], "a finished study has nothing to do"
    states = [trial.state.name for trial in stored(world.folder).get_trials()]
    assert states.count("FAIL") == 1
    assert "RUNNING" not in states


def stored(folder: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    return optuna.load_study(study_name="tune", storage=storage)


@pytest.mark.thorough
def test_a_study_killed_in_its_first_trial_begins_with_the_recipe_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        kill_in_trial(0, patched, Killed())
        with pytest.raises(Killed):
            world.study(1)
    (row,) = world.study(1, resume=True)
    assert row.settings == {"lora.rank": 4, "lora.alpha": 8, "train.learning_rate": 5e-3}


def test_the_seed_decides_what_is_tried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also past the first trials, where the sampler learns from the figures."""

    def figures(bench: tuning.Bench, settings: TrialSettings, *_: Any) -> dict[str, float]:
        return {"held_out_loss": abs(float(settings["train.learning_rate"]) - 3e-3)}

    monkeypatch.setattr(tuning.Bench, "figures", figures)
    first, again, other = (
        [row.settings for row in world.study(12, folder=name, seed=seed)]
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert first == again
    assert first[0] == other[0]
    assert first[1:] != other[1:]
    assert len({str(settings) for settings in first}) == 12


def test_the_voice_of_every_trial_is_told_apart_from_other_brands(world: World) -> None:
    (row,) = world.study(1, objective="voice", against=[world.rival()])
    assert row.figures.keys() == {"held_out_loss", "stop_rate", "voice", "chrf"}
    assert row.figures["voice"] in (0, 0.5, 1)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "objective", ["held_out_loss", pytest.param("stop_rate", marks=pytest.mark.thorough)]
)
def test_a_trial_behind_the_median_is_stopped(objective: str, world: World) -> None:
    """Also where more is better: the losses are told the pruner with the sign turned."""
    space = Space(schema=1, learning_rate=Range(low=1e-6, high=5e-3))
    rows = world.study(4, objective=objective, space=space, startup=1)
    pruned = [row for row in rows if row.state == "pruned"]
    assert pruned
    assert rows[0].state == "done"
    for row in pruned:
        assert row.figures.keys() == {"held_out_loss"}
        assert row.figures["held_out_loss"] > rows[0].figures["held_out_loss"]
    assert {path.name for path in world.folder.iterdir()} == {JOURNAL}


@pytest.mark.thorough
def test_a_trial_that_fails_is_recorded_and_the_study_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_in_trial(1, monkeypatch, TrainingError(Problem("the loss became nan at step 2", got="much")))
    rows = world.study(3)
    assert [row.state for row in rows] == ["done", "failed", "done"]
    assert rows[1].problem == "the loss became nan at step 2"
    assert rows[1].figures == {}
    write_table(world.folder, rows)
    lines = list(csv.DictReader((world.folder / "trials.csv").open()))
    assert [line["state"] for line in lines] == ["done", "failed", "done"]
    assert float(lines[0]["held_out_loss"]) == rows[0].figures["held_out_loss"]


def test_a_recipe_that_cannot_be_trained_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_in_trial(0, monkeypatch, TrainingError(Problem("the loss became nan at step 2")))
    with pytest.raises(TrainingError, match="nan"):
        world.study(3)


def test_settings_drawn_twice_are_trained_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = kill_in_trial(-1, monkeypatch, Killed())
    rows = world.study(5, space=Space(schema=1, rank=[2, 4]))
    assert len(begun) == 2
    repeats = [row for row in rows if row.repeats is not None]
    assert len(repeats) == 3
    assert all(row.figures == rows[row.repeats or 0].figures for row in repeats)


@pytest.mark.thorough
def test_a_study_is_gone_on_with_only_if_it_is_the_same(world: World) -> None:
    world.study(1)
    before = (world.folder / JOURNAL).read_bytes()
    with pytest.raises(TrainingError, match="--resume"):
        world.study(2)
    changes: dict[str, tuple[list[str], dict[str, Any]]] = {
        "recipe": (["eval.max_new_tokens=5"], {}),
        "recipe, another data": (["train.seed=3"], {}),
        "space": ([], {"space": SPACE.model_copy(update={"rank": [2, 4, 8]})}),
        "objective": ([], {"objective": "stop_rate"}),
        "seed": ([], {"seed": 14}),
        "brand in --against": ([], {"against": [world.rival()]}),
    }
    for told, (overrides, plan) in changes.items():
        with pytest.raises(TrainingError, match=f"got: another {told}\n"):
            world.study(2, *overrides, resume=True, **plan)
    assert (world.folder / JOURNAL).read_bytes() == before
    texts = world.recipe.parent / "texts.jsonl"
    texts.write_text(texts.read_text().replace("It floats.", "It sinks.", 1))
    with pytest.raises(TrainingError, match="got: another data\n"):
        world.study(2, resume=True)


def row(number: int, loss: float, stops: float, **changes: Any) -> TrialRow:
    settings = {"lora.rank": 2 + number, "lora.alpha": 8, "train.learning_rate": 1.25e-5}
    values = TrialRow(number, "done", settings, {"held_out_loss": loss, "stop_rate": stops, "chrf": 1.0}, 1.0)
    return replace(values, **changes)


def test_the_best_is_the_first_of_the_best(world: World) -> None:
    rows = [row(0, 3.0, 0.5), row(1, 2.5, 0.5), row(2, 2.5, 0.75), row(3, 0.1, 1.0, state="pruned")]
    assert best_of(rows, "held_out_loss").number == 1
    assert best_of(rows, "stop_rate").number == 2
    assert best_of(rows[:2], "stop_rate").number == 1, "of equals the one with less loss"
    assert best_of([row(0, 3.0, 0.5), row(1, 3.0, 0.5)], "stop_rate").number == 0


def test_the_overlay_is_the_best_trial_and_nothing_else(world: World) -> None:
    overrides = ["eval.briefs=3", "train.extra.average_tokens_across_devices=false"]
    loaded = world.load(*overrides)
    rows = [row(0, 3.0, 0.5), row(1, 2.5, 0.75)]
    world.folder.mkdir()
    path = write_best(world.folder, loaded, rows, "stop_rate")
    written = load_recipe(path)
    assert written.recipe == with_settings(loaded, rows[1].settings).recipe
    text = path.read_text()
    assert text.splitlines()[0] == (
        f"# Best of 2 trials of the study {shown(world.folder)}: stop_rate 75% (trial 1; the recipe had 50%)."
    )
    assert 'extends: "../brands/recipe.yaml"' in text
    assert "alpha" not in text, "it is the recipe's own"
    path = write_best(world.folder, world.load(), rows[:1], "stop_rate")
    assert load_recipe(path).recipe == with_settings(world.load(), rows[0].settings).recipe
    assert "the recipe as it stands" in path.read_text()
