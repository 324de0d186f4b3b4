"""Follow the plan: choose a run's micro-batch before its first step, or refuse the run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.engine.base import LoadedBase
from lora_marketing.planning.devices import free_memory
from lora_marketing.planning.memory import CONTEXT, GIB, DeviceKind
from lora_marketing.planning.micro_batch import MicroBatchChoice, PlannedRun, choose
from lora_marketing.planning.packing import packed
from lora_marketing.planning.rows import TokenizedRows
from lora_marketing.planning.shape import shape_of
from lora_marketing.recipe import Recipe
from lora_marketing.tokens.render import Rendered


@dataclass(frozen=True)
class RunPlan:
    """A run as it will be trained: the recipe with its micro-batch size, and the choice it came from."""

    recipe: Recipe
    setting: PlannedRun
    choice: MicroBatchChoice

    @property
    def predicted_gib(self) -> float:
        """The peak to expect, in the terms of `peak_memory_gib`."""
        return self.choice.expected.peak / GIB


def plan_run(
    recipe: Recipe, train: Sequence[Rendered], validation: Sequence[Rendered], base: LoadedBase
) -> RunPlan:
    """Choose the micro-batch for these rows on a loaded base.

    Where memory is plentiful the choice depends on the recipe alone, so that runs can be repeated.

    Raises:
        TrainingError: no micro-batch fits in the memory that is free.
    """
    config = base.model.config.to_dict()
    kind: DeviceKind = "cuda" if base.device.type == "cuda" else "cpu"
    shape, (planned, _) = shape_of(config, config["model_type"]), packed(recipe, config)
    setting = PlannedRun(shape, planned, TokenizedRows(train, validation), kind, _allowance(kind == "cuda"))
    choice = choose(setting)
    section = recipe.train.model_copy(update={"micro_batch_size": choice.micro_batch_size})
    return RunPlan(recipe.model_copy(update={"train": section}), setting, choice)


@contextmanager
def reporting_memory_errors(name: str) -> Iterator[None]:
    """Turn running out of memory in spite of the plan into a TrainingError of the run `name` alone."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        fix = "free memory, or lower train.micro_batch_size; --resume goes on from the last checkpoint"
        got = str(error).splitlines()[0]
        raise TrainingError(Problem(f"{name} ran out of memory", got=got, fix=fix)) from error


def _allowance(on_gpu: bool) -> int:
    """Bytes that are free or held by this process already, which the plan counts anew."""
    if on_gpu:
        return int(torch.cuda.mem_get_info()[0]) + torch.cuda.memory_reserved() + CONTEXT
    return free_memory() + _resident()


def _resident() -> int:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.is_file() else 0
