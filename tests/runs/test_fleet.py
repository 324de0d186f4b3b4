"""Several recipes in one call end as they would one by one, and one that fails stops no other."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lora_marketing.cli.train import train as train_command
from lora_marketing.common.errors import LoraMarketingError, Problem, TrainingError
from lora_marketing.data.dataset import Dataset, prepare
from lora_marketing.recipe import load_recipe
from lora_marketing.registry import AdapterRef, Version
from lora_marketing.runs.fleet import Fleet, Job, show_summary
from lora_marketing.runs.owner import owning
from lora_marketing.runs.run import OpenRun, open_run
from tests.runs.test_run import SMALL, TINY, World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LORA_MARKETING_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield World(tmp_path_factory.mktemp("an-agency"))


def job(world: World, recipe: str, *overrides: str) -> Job:
    path = world.recipe.parent / f"{recipe}.yaml"
    loaded = load_recipe(path, [*SMALL, *TINY, f"base.id={world.base}", *overrides])
    data = prepare(loaded)
    return Job(loaded, Dataset(data.train[:16], data.validation[:2], 0))


def fleet(world: World, *, together: int = 8) -> Fleet:
    return Fleet(world.registry, world.runs, world.holder, together)


@pytest.mark.thorough
def test_together_as_one_by_one(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # a narrow terminal's width would wrap the summary
    jobs = [
        job(world, "ember-espresso"),
        job(world, "ember-filter", "lora.rank=4", "eval.max_new_tokens=5"),
        job(world, "lumen-serum", "lora.dropout=0.1"),
        job(world, "lumen-serum", "train.learning_rate=1e30", "train.max_grad_norm=0"),
    ]
    together = fleet(world).train(jobs)
    said = capsys.readouterr().err
    assert "Training ember/espresso, ember/filter, lumen/serum together" in said
    assert "Training lumen/serum by itself: lora.dropout" in said
    assert isinstance(together[3], TrainingError)
    one_by_one = fleet(world, together=1).train(jobs[:2])
    for mine, other, wanted in zip(together, one_by_one, jobs, strict=False):
        assert isinstance(mine, Version)
        assert isinstance(other, Version)
        assert str(mine.name) == wanted.loaded.name
        found, alone = mine.manifest.metrics, other.manifest.metrics
        for figure in ("base_loss", "held_out_loss", "train_loss", "steps", "best_step", "stop_rate"):
            assert found[figure] == pytest.approx(alone[figure], rel=1e-4), figure
    newest = world.registry.resolve(AdapterRef.parse("ember/filter@candidate"))
    assert newest == one_by_one[1]
    capsys.readouterr()
    show_summary(jobs, together)
    summary = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in summary[1:]] == [one.loaded.name for one in jobs]
    assert "failed: the loss became" in summary[-1]


def test_brands_take_turns_unless_they_are_asked_to_go_together(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On every device: one forward for all is off until it is measured where it is meant for."""
    jobs = [job(world, "ember-espresso", "train.seed=41"), job(world, "ember-filter", "train.seed=41")]
    groups: list[int] = []

    def noted(self: Fleet, runs: Sequence[OpenRun]) -> list[LoraMarketingError]:
        groups.append(len(runs))
        return [TrainingError(Problem("not trained")) for _ in runs]

    monkeypatch.setattr(Fleet, "_train", noted)
    Fleet(world.registry, world.runs, world.holder).train(jobs)
    assert groups == [1, 1]
    groups.clear()
    fleet(world, together=2).train(jobs)
    assert groups == [2]
    chosen = inspect.signature(train_command).parameters["together"].default
    assert chosen == Fleet(world.registry, world.runs, world.holder).together == 1


@pytest.mark.thorough
def test_a_base_that_is_not_there_fails_its_own_jobs_only(world: World, tmp_path: Path) -> None:
    jobs = [
        job(world, "ember-espresso", f"base.id={tmp_path / 'nowhere'}", "train.seed=31"),
        job(world, "ember-filter", "train.seed=31", "eval.briefs=0"),
    ]
    lost, published = fleet(world).train(jobs)
    assert isinstance(lost, LoraMarketingError)
    assert isinstance(published, Version)
    assert "stop_rate" not in published.manifest.metrics


@pytest.mark.thorough
def test_equal_recipes_are_one_run_and_a_run_in_progress_is_left_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = (job(world, "ember-espresso", "train.seed=29") for _ in range(2))
    run = open_run(first.loaded, first.data, world.holder, world.registry, world.runs)
    with owning(run.folder):
        (told,) = fleet(world).train([first])
    assert isinstance(told, TrainingError)
    assert not run.folder.exists()
    one, other = fleet(world, together=1).train([first, second])
    assert isinstance(one, Version)
    assert one == other
    assert "trained once" in capsys.readouterr().err
    assert [path.name for path in world.runs.iterdir() if path.name.endswith(".owner")] == []
