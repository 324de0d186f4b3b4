"""Trackers: files of the run, in a folder that stays, and nothing else."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.common.errors import TrainingError
from lora_marketing.engine import base as load
from lora_marketing.registry.store import Registry
from lora_marketing.runs.run import BaseCache, train_and_publish
from lora_marketing.training.trackers import _TRACKERS, opened_trackers
from tests.training.making import dataset, recipe

EVENTS = "events.out.tfevents.*"


def forbidden(*_: Any, **__: Any) -> None:
    raise AssertionError("must not happen")


def short(base: Path, *trackers: str) -> Any:
    return recipe(base, train={"epochs": 0.5, "report_to": list(trackers)}, eval={"per_epoch": 2})


def test_a_tracker_that_is_not_installed_is_told_before_the_base_loads(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "load_base", forbidden)
    monkeypatch.setattr(
        "lora_marketing.training.trackers.find_spec",
        lambda name: None if name in ("mlflow", "wandb") else find_spec(name),
    )
    loaded = short(tiny, "tensorboard", "mlflow", "wandb")
    with pytest.raises(TrainingError) as caught:
        train_and_publish(
            loaded,
            dataset(8, 2),
            BaseCache(),
            Registry(tmp_path / "adapters"),
            tmp_path / "runs",
            resume=False,
        )
    assert caught.value.exit_code == 2
    assert "train.report_to names mlflow, wandb" in str(caught.value)
    assert "pip install mlflow wandb" in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.thorough
def test_tensorboard_files_lie_beside_the_run_and_stay_when_it_is_published(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.chdir(tmp_path)
    registry, runs = Registry(tmp_path / "adapters"), tmp_path / "runs"
    version = train_and_publish(
        short(tiny, "tensorboard"), dataset(8, 2), BaseCache(), registry, runs, resume=False
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapters", "runs"]
    assert [path.name for path in runs.iterdir()] == ["logs"]
    (folder,) = (runs / "logs").iterdir()
    assert folder.name.startswith("ember-espresso-")
    assert [path.match(EVENTS) for path in folder.iterdir()] == [True]
    events = EventAccumulator(str(folder)).Reload()
    losses = {event.step: event.value for event in events.Scalars("eval/loss")}
    assert losses[0] == pytest.approx(version.manifest.metrics["base_loss"], rel=1e-6)
    assert min(losses.values()) == pytest.approx(version.manifest.metrics["held_out_loss"], rel=1e-6)
    assert {path.name for path in version.folder.iterdir()} == {*version.manifest.files, "manifest.json"}


def test_a_run_that_fails_closes_its_trackers(tmp_path: Path) -> None:
    opened = opened_trackers(["tensorboard"], tmp_path / "logs")
    (callback,) = opened.__enter__()
    writer = callback.tb_writer
    writer.add_scalar("loss", 1.0, 1)
    assert not opened.__exit__(TrainingError, TrainingError([]), None)
    assert writer.file_writer is None


def test_every_tracker_that_a_recipe_may_name_can_be_opened() -> None:
    (names,) = {
        inner.__args__
        for inner in recipe(Path()).recipe.train.__class__.model_fields["report_to"].annotation.__args__
    }
    assert set(names) == _TRACKERS.keys()
