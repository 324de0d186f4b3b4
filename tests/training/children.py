"""Training in child processes that kill themselves (SIGKILL) at a chosen place."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from lora_marketing.recipe import LoadedRecipe
from lora_marketing.training.train import train
from tests.forks import Forks
from tests.training.making import open_run


@dataclass(frozen=True)
class Kill:
    """Die at the `nth` call of `target`; `torn` leaves a half-written file behind first."""

    target: str
    nth: int
    torn: bool = False


@dataclass(frozen=True)
class Children:
    """Trains in processes of their own."""

    forks: Forks

    def __call__(self, loaded: LoadedRecipe, run: Path, *, resume: bool, kill: Kill | None = None) -> None:
        """The process must end well, or be killed if `kill` is given."""
        code = self.forks.run(_child, loaded, run, resume, kill)
        assert code == (-signal.SIGKILL if kill else 0), (run / "child.log").read_text()


def _child(loaded: LoadedRecipe, run: Path, resume: bool, kill: Kill | None) -> None:
    torch.set_num_threads(1)
    log = os.open(run / "child.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    base, data = open_run(loaded)
    if kill is None:
        metrics = train(loaded, data, base, run, resume=resume).metrics
        same = {
            name: metrics[name] for name in metrics if name not in ("tokens_per_second", "peak_memory_gib")
        }
        (run / "metrics.json").write_text(json.dumps(same))
    else:
        with patch(kill.target, _deadly(_find(kill.target), kill)):
            train(loaded, data, base, run, resume=resume)


def _find(target: str) -> Callable[..., Any]:
    from pkgutil import resolve_name

    found: Callable[..., Any] = resolve_name(target)
    return found


def _deadly(real: Callable[..., Any], kill: Kill) -> Callable[..., Any]:
    calls = 0

    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < kill.nth:
            return real(*arguments, **keywords)
        if kill.torn:
            path = next(argument for argument in arguments if isinstance(argument, (str, Path)))
            Path(path).write_bytes(b'{"half')
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("unreachable")

    return wrapper
