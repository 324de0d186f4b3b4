"""Several runs at once over one base: cooperative runs, which wait for each other at every micro-batch.

A run is a greenlet, a function that can wait in the middle. It prepares, evaluates, saves and stops
as it would alone; only when it wants a micro-batch computed it waits until all other runs want
one, too. So a run has its own optimizer, schedule, early stopping and checkpoints, and needs no
code for being one of many.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy
import torch
from greenlet import getcurrent, greenlet
from torch import Tensor

from lora_marketing.common.errors import LoraMarketingError
from lora_marketing.engine.accelerate_api import gradient_state, put_gradient_state
from lora_marketing.training.fused import MicroBatch
from lora_marketing.training.trainer import BrandTrainer, CooperativeRun

T = TypeVar("T")


def run_together(
    works: Sequence[Callable[[CooperativeRun], T]],
    compute: Callable[[Sequence[MicroBatch]], Sequence[Tensor]],
) -> list[T | LoraMarketingError]:
    """Run all `works` to their ends; `compute` is given a micro-batch of every run that goes on.

    Returns each work's result, or the error that ended it; the others go on without it. Where
    `compute` runs out of memory, that error is raised in every run that waits for it.
    """
    runs = [_GreenletRun(work) for work in works]
    for run in runs:
        run.go(None)
    while waiting := [(run, run.wanted) for run in runs if run.wanted is not None]:
        try:
            losses = compute([wanted for _, wanted in waiting])
        except torch.OutOfMemoryError as error:
            for run, _ in waiting:
                run.fail(error)
        else:
            for (run, _), loss in zip(waiting, losses, strict=True):
                run.go(loss)
    return [run.outcome() for run in runs]


class _GreenletRun(Generic[T]):
    """One run, and the micro-batch that it waits for."""

    def __init__(self, work: Callable[[CooperativeRun], T]) -> None:
        self.wanted: MicroBatch | None = None
        self._work = work
        self._state = _ProcessState.current()
        self._outcome: T | LoraMarketingError | None = None
        self._hub = getcurrent()
        self._greenlet = greenlet(self._run, self._hub)

    def backward(self, trainer: BrandTrainer, inputs: dict[str, Any], count: Tensor | int | None) -> Tensor:
        """Called by the run: wait until the micro-batch is computed."""
        self.wanted = MicroBatch(trainer, inputs, count)
        loss: Tensor = self._hub.switch()
        return loss

    def go(self, loss: Tensor | None) -> None:
        """Let the run go on with `loss` until it wants the next micro-batch or ends."""
        self._enter(lambda: self._greenlet.switch(loss))

    def fail(self, error: BaseException) -> None:
        """Raise `error` where the run waits for its micro-batch."""
        self._enter(lambda: self._greenlet.throw(error))

    def _enter(self, switch: Callable[[], object]) -> None:
        self.wanted = None
        outside = _ProcessState.current()
        self._state.restore()
        try:
            switch()
        finally:
            self._state = _ProcessState.current()
            outside.restore()

    def outcome(self) -> T | LoraMarketingError:
        """The run's result, or the error that ended it."""
        assert self._outcome is not None
        return self._outcome

    def _run(self, _: None) -> None:
        try:
            self._outcome = self._work(self)
        except LoraMarketingError as error:
            self._outcome = error


@dataclass(frozen=True)
class _ProcessState:
    """State that libraries keep once per process and every run must have for itself.

    Random states, for the order of rows; and accelerate's GradientState, which says whether the
    running micro-batch is the last of its step: an optimizer does not step when it is not.
    """

    python: tuple[Any, ...]
    numpy: Any
    torch: Tensor
    cuda: Sequence[Tensor]
    gradients: dict[str, Any]

    @classmethod
    def current(cls) -> _ProcessState:
        """A copy of what the process has now."""
        return cls(
            random.getstate(),
            numpy.random.get_state(),
            torch.get_rng_state(),
            torch.cuda.get_rng_state_all() if torch.cuda.is_available() else (),
            gradient_state(),
        )

    def restore(self) -> None:
        """Give it back to the process."""
        random.setstate(self.python)
        numpy.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.cuda:
            torch.cuda.set_rng_state_all(self.cuda)
        put_gradient_state(self.gradients)
