"""Run the two worst steps of a recipe for real and compare them with the plan."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lora_marketing.engine.base import LoadedBase
from lora_marketing.planning.batches import micro_batch, worst
from lora_marketing.planning.memory import GIB
from lora_marketing.planning.micro_batch import source_weight
from lora_marketing.recipe import LoadedRecipe, Recipe
from lora_marketing.training.build import build_trainer
from lora_marketing.training.peak_memory import begin_peak, peak_memory_gib
from lora_marketing.training.plan_run import plan_run
from lora_marketing.training.progress import ProgressCallback
from lora_marketing.training.rendering import RenderedData


@dataclass(frozen=True)
class Calibration:
    """The two worst steps as planned and as measured. Speed is that of the second step.

    `tokens_per_second` counts the rows' own tokens, `computed_per_second` those that were computed.
    """

    micro_batch_size: int
    predicted_gib: float
    measured_gib: float
    tokens_per_second: float
    computed_per_second: float

    @property
    def error(self) -> float:
        """How far the prediction is off, as a share of what was measured."""
        return self.predicted_gib / self.measured_gib - 1


@dataclass
class _Clock(TrainerCallback):
    """Seconds of every optimizer step."""

    seconds: list[float] = field(default_factory=list)
    _begun: float = 0.0

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock."""
        self._begun = time.perf_counter()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Stop the clock when the device has done its work."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - self._begun)


def calibrate(loaded: LoadedRecipe, data: RenderedData, base: LoadedBase) -> Calibration:
    """Train two steps on the rows that need most, with an evaluation, in a folder that goes away.

    The measured peak is the process's on the CPU, with the base in it.

    Raises:
        TrainingError: no micro-batch fits in memory, or the loss is NaN.
    """
    plan = plan_run(loaded.recipe, data.train, data.validation, base)
    size, recipe = plan.choice.micro_batch_size, plan.recipe
    weight = source_weight(plan.setting.shape, plan.setting.recipe)
    groups = (worst(data.train, size, per_source=weight) * 2)[:2]
    tree = plan.setting.recipe.train.packing == "prefix_tree"
    rows, last = [row for group in groups for row in group], micro_batch(groups[1], tree=tree)
    clock, progress = _Clock(), ProgressCallback(f"{loaded.name}, two worst steps")
    base = base.with_modules_of_its_own()
    begin_peak()
    with TemporaryDirectory(prefix="lora-marketing-calibrate-") as temporary, closing(progress):
        run = Path(temporary)
        trainer = build_trainer(_two_steps(recipe, size), replace(data, train=rows), base, run, progress)
        trainer.add_callback(clock)
        trainer.train()
    return Calibration(
        micro_batch_size=size,
        predicted_gib=plan.choice.bound.peak / GIB,
        measured_gib=peak_memory_gib(),
        tokens_per_second=last.row_tokens / clock.seconds[-1],
        computed_per_second=last.computed / clock.seconds[-1],
    )


def _two_steps(recipe: Recipe, size: int) -> Recipe:
    """The recipe with one micro-batch a step, in the order of the rows, and one evaluation."""
    changes = {
        "epochs": 1.0,
        "batch_size": size,
        "micro_batch_size": size,
        "extra": {**recipe.train.extra, "train_sampling_strategy": "sequential"},
    }
    return recipe.model_copy(
        update={
            "train": recipe.train.model_copy(update=changes),
            "eval": recipe.eval.model_copy(update={"per_epoch": 1}),
        }
    )
