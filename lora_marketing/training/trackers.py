"""Trackers named in `train.report_to`: their files go into one folder, and nothing leaves the machine.

Trainer's own integrations are used, but opened here: left alone, TensorBoard's writes the first
figures beside the working directory (the base is evaluated before training begins), MLflow keeps
its database there, and W&B sends everything. A user's own environment variables still win.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from transformers import TrainerCallback
from transformers.integrations import (  # type: ignore[attr-defined]  # documented there, typed elsewhere
    MLflowCallback,
    TensorBoardCallback,
    TrackioCallback,
    WandbCallback,
)

from lora_marketing.common.errors import Problem, TrainingError

LOGS = "logs"
"""Folder beside the run folders that trackers write to: it stays when a published run is deleted."""

PROJECT = "lora-marketing"


def require_trackers(names: Sequence[str]) -> None:
    """Check that the package of every tracker is installed.

    Raises:
        TrainingError: with what to install, for all at once.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise TrainingError(
            Problem(
                f"train.report_to names {', '.join(missing)}, which is not installed",
                fix=f"pip install {' '.join(missing)}, or take it out of train.report_to",
            )
        )


@contextmanager
def opened_trackers(names: Sequence[str], folder: Path) -> Iterator[list[TrainerCallback]]:
    """Yield a callback per tracker; all are closed when the block ends.

    TensorBoard and W&B write into `folder`, which is named after the run; MLflow and trackio keep
    one database for all runs beside it.

    Raises:
        TrainingError: a tracker is not installed.
    """
    require_trackers(names)
    with ExitStack() as stack:
        yield [stack.enter_context(_TRACKERS[name](folder)) for name in names]


@contextmanager
def _tensorboard(folder: Path) -> Iterator[TrainerCallback]:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(log_dir=os.environ.get("TENSORBOARD_LOGGING_DIR", str(folder))) as writer:
        yield TensorBoardCallback(writer)


@contextmanager
def _mlflow(folder: Path) -> Iterator[TrainerCallback]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
    import mlflow

    if "MLFLOW_TRACKING_URI" not in os.environ:
        folder.parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{(folder.parent / 'mlflow.db').resolve()}")
    try:
        yield MLflowCallback()
    finally:
        mlflow.end_run()  # a run that raised is still open


@contextmanager
def _wandb(folder: Path) -> Iterator[TrainerCallback]:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb is imported
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    mode = os.environ.get("WANDB_MODE", "offline")
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    with wandb.init(project=project, name=folder.name, dir=str(folder), mode=mode):
        yield WandbCallback()


@contextmanager
def _trackio(folder: Path) -> Iterator[TrainerCallback]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TRACKIO_DIR", str(folder.parent.resolve() / "trackio"))  # read at import
    yield TrackioCallback()


_TRACKERS: dict[str, Callable[[Path], AbstractContextManager[TrainerCallback]]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
    "trackio": _trackio,
}
