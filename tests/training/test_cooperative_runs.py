"""Whole runs side by side end as they would end alone."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from accelerate.state import GradientState
from safetensors.torch import load_file

from lora_marketing.common.errors import LoraMarketingError, TrainingError
from lora_marketing.engine.base import LoadedBase
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.training.build import TrainOptions
from lora_marketing.training.cooperative_runs import run_together
from lora_marketing.training.fused import FusedStep
from lora_marketing.training.rendering import RenderedData
from lora_marketing.training.train import TrainedAdapter, train
from lora_marketing.training.trainer import BrandTrainer, CooperativeRun
from tests.training.making import dataset, open_run, recipe
from tests.training.test_exactness import assert_same_curve

WEIGHTS = "adapter_model.safetensors"
Runs = dict[str, tuple[LoadedRecipe, RenderedData]]


@pytest.fixture
def runs(tiny: Path) -> tuple[LoadedBase, Runs]:
    """Different lengths, ranks, accumulation, schedules, seeds, optimizers; one stops early."""
    sections: dict[str, dict[str, Any]] = {
        "long": {"train": {"epochs": 2.0, "seed": 5}},
        "short": {
            "train": {"epochs": 1.0, "micro_batch_size": 1, "scheduler": "linear"},
            "lora": {"rank": 8},
        },
        "plus": {"lora": {"variant": "loraplus"}, "train": {"batch_size": 6, "micro_batch_size": 3}},
        "early": {
            "train": {"epochs": 20.0, "learning_rate": 0.1, "scheduler": "constant", "batch_size": 12},
            "eval": {"patience": 2, "per_epoch": 2},
        },
    }
    recipes = {name: recipe(tiny, **values) for name, values in sections.items()}
    base, data = open_run(recipes["long"])
    _, fewer = open_run(recipes["short"], dataset(train=9, validation=3))
    return base, {name: (loaded, fewer if name == "short" else data) for name, loaded in recipes.items()}


def together(
    base: LoadedBase, runs: Runs, folder: Path, *, resume: bool = False
) -> dict[str, TrainedAdapter | LoraMarketingError]:
    def work(name: str, cooperative: CooperativeRun) -> TrainedAdapter:
        loaded, data = runs[name]
        options = TrainOptions(cooperative=cooperative)
        return train(loaded, data, base, folder / name, resume=resume, options=options)

    step = FusedStep(base, activation_checkpointing=False)
    outcomes = run_together([partial(work, name) for name in runs], step)
    return dict(zip(runs, outcomes, strict=True))


def assert_same_result(found: TrainedAdapter | LoraMarketingError, wanted: TrainedAdapter) -> None:
    assert isinstance(found, TrainedAdapter), found
    assert_same_curve(list(found.points), list(wanted.points))
    for name in ("steps", "best_step"):
        assert found.metrics[name] == wanted.metrics[name]
    mine, other = load_file(found.folder / WEIGHTS), load_file(wanted.folder / WEIGHTS)
    assert mine.keys() == other.keys()
    for name, weight in other.items():
        assert float((mine[name] - weight).norm() / weight.norm()) < 1e-3, name


@pytest.mark.thorough
def test_each_run_ends_as_it_would_alone(runs: tuple[LoadedBase, Runs], tmp_path: Path) -> None:
    """Every logged loss within 1e-4; the base's modules and the process's random state untouched."""
    base, all_runs = runs
    alone = {
        name: train(loaded, data, base, tmp_path / "alone" / name, resume=False)
        for name, (loaded, data) in all_runs.items()
    }
    assert alone["early"].metrics["steps"] < 40, "it stopped, while others went on"
    random.seed(7)
    numpy.random.seed(7)
    torch.manual_seed(7)
    before = random.getstate(), numpy.random.random(), torch.get_rng_state(), dict(vars(GradientState()))
    numpy.random.seed(7)
    found = together(base, all_runs, tmp_path / "together")
    after = random.getstate(), numpy.random.random(), torch.get_rng_state(), dict(vars(GradientState()))
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert before[3]["sync_gradients"] == after[3]["sync_gradients"]
    for name, wanted in alone.items():
        assert_same_result(found[name], wanted)


@pytest.mark.thorough
def test_a_run_that_fails_stops_no_other(runs: tuple[LoadedBase, Runs], tmp_path: Path) -> None:
    base, all_runs = runs
    two = {name: all_runs[name] for name in ("long", "short")}
    alone = train(*two["long"], base, tmp_path / "alone", resume=False)
    wild = two["short"][0]
    section = wild.recipe.train.model_copy(update={"learning_rate": 1e30, "max_grad_norm": 0.0})
    two["short"] = (
        LoadedRecipe(wild.path, wild.recipe.model_copy(update={"train": section}), wild.brand, {}),
        two["short"][1],
    )
    found = together(base, two, tmp_path / "together")
    assert isinstance(found["short"], LoraMarketingError)
    assert "the loss became" in str(found["short"])
    assert_same_result(found["long"], alone)


def test_running_out_of_memory_is_an_error_of_the_runs_that_did(
    runs: tuple[LoadedBase, Runs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fourth forward of both does not fit: both fail of it, and the fleet goes on to its end."""
    base, all_runs = runs
    two = {name: all_runs[name] for name in ("long", "short")}
    real, calls = FusedStep.__call__, 0

    def full(step: FusedStep, batches: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")
        return real(step, batches)

    monkeypatch.setattr(FusedStep, "__call__", full)
    for outcome in together(base, two, tmp_path / "together").values():
        assert isinstance(outcome, TrainingError)
        assert "ran out of memory" in str(outcome)
        assert "2.00 GiB" in str(outcome)


def test_a_run_alone_that_runs_out_of_memory_says_so(
    runs: tuple[LoadedBase, Runs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, all_runs = runs
    monkeypatch.setattr(BrandTrainer, "training_step", _full)
    with pytest.raises(TrainingError, match="ran out of memory"):
        train(*all_runs["short"], base, tmp_path / "alone", resume=False)


def _full(*_: Any, **__: Any) -> torch.Tensor:
    raise torch.OutOfMemoryError("tried to allocate 2.00 GiB")


@pytest.mark.thorough
def test_a_stopped_fleet_goes_on_where_each_run_was(
    runs: tuple[LoadedBase, Runs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a power cut: an error that no run handles, in the middle of a step of both."""
    base, all_runs = runs
    two = {name: all_runs[name] for name in ("long", "plus")}
    alone = {name: train(*two[name], base, tmp_path / "alone" / name, resume=False) for name in two}
    real, calls = FusedStep.__call__, 0

    def dying(step: FusedStep, batches: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 11:
            raise KeyboardInterrupt
        return real(step, batches)

    monkeypatch.setattr(FusedStep, "__call__", dying)
    with pytest.raises(KeyboardInterrupt):
        together(base, two, tmp_path / "together")
    assert any((tmp_path / "together" / "long" / "checkpoints").iterdir())
    monkeypatch.setattr(FusedStep, "__call__", real)
    found = together(base, two, tmp_path / "together", resume=True)
    for name in two:
        assert_same_result(found[name], alone[name])
