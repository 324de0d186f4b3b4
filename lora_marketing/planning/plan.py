"""Plans one run from its recipe: memory, steps, tokens, time and cost, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lora_marketing.common.errors import DataError, Problem
from lora_marketing.data.dataset import Dataset
from lora_marketing.planning.devices import Device
from lora_marketing.planning.micro_batch import (
    Change,
    MicroBatchChoice,
    PlannedRun,
    first_change,
    limit,
    pick,
    steps,
)
from lora_marketing.planning.packing import packed
from lora_marketing.planning.rows import TokenizedRows, plan_rows
from lora_marketing.planning.shape import ModelShape, base_config, shape_of
from lora_marketing.recipe import LoadedRecipe, Recipe
from lora_marketing.tokens.rendered_pairs import own_tokens

GPU_SHARE = 0.3
"""Assumed share of a GPU's peak speed that a QLoRA step reaches; a guess, which --calibrate replaces."""


@dataclass(frozen=True)
class TrainingPlan:
    """The plan of a run.

    Tokens are counted over the whole run: `computed_tokens` pass the layers, `row_tokens` would pass them
    without prefix trees. `seconds` (without loading and writing) and `usd` come from the table of GPUs and
    are None where it has no speed or price. `estimated` is True if tokens were estimated from characters;
    `overlong` rows are left out.

    With `method` dpo rows are preference pairs, whose two texts are computed in one padded batch. `seconds`
    includes the reference model's pass over all pairs, which needs less memory than a step.
    """

    name: str
    base: str
    method: str
    layers: int
    device: Device
    choice: MicroBatchChoice
    free: int
    change: Change | None
    rows: int
    batch_size: int
    steps: int
    row_tokens: int
    computed_tokens: int
    estimated: bool
    overlong: int
    tree: bool
    seconds: float | None

    @property
    def accumulation(self) -> int:
        """Number of micro-batches in one optimizer step."""
        return -(-self.batch_size // self.choice.micro_batch_size)

    @property
    def saved(self) -> float:
        """The share of the rows' tokens that prefix trees save; negative if padding adds tokens."""
        return 1 - self.computed_tokens / self.row_tokens

    @property
    def usd(self) -> float | None:
        """The cost of `seconds` in US dollars, or None if the price or the time is unknown."""
        price = self.device.usd_per_hour
        return None if price is None or self.seconds is None else price * self.seconds / 3600

    def as_dict(self) -> Mapping[str, Any]:
        """The plan as plain data for JSON; memory is in bytes."""
        bound, expected = self.choice.bound, self.choice.expected
        return {
            "name": self.name,
            "base": self.base,
            "method": self.method,
            "layers": self.layers,
            "device": asdict(self.device),
            "fits": self.choice.fits,
            "free": self.free,
            "micro_batch_size": self.choice.micro_batch_size,
            "accumulation": self.accumulation,
            "memory": {
                **asdict(bound),
                "training": bound.training,
                "peak": bound.peak,
                "needed": bound.needed,
            },
            "expected_peak": expected.peak,
            "change": list(self.change.sets) if self.change else None,
            "rows": self.rows,
            "overlong": self.overlong,
            "steps": self.steps,
            "row_tokens": self.row_tokens,
            "computed_tokens": self.computed_tokens,
            "saved": self.saved,
            "tokens_estimated": self.estimated,
            "prefix_tree": self.tree,
            "seconds": self.seconds,
            "usd": self.usd,
        }


def make_plan(loaded: LoadedRecipe, data: Dataset, device: Device) -> TrainingPlan:
    """Plan a recipe's run on a device.

    Raises:
        BaseModelError: the base's sizes are unknown.
        RenderContractError: the base's chat template breaks the render contract.
        DataError: every training or every validation row is longer than `data.max_length`.
    """
    config = base_config(loaded.recipe.base)
    shape, (recipe, _) = shape_of(config, config["model_type"]), packed(loaded.recipe, config)
    rows = plan_rows(loaded, data)
    if not (rows.train and rows.validation):
        allowed = f"at most {recipe.data.max_length} tokens"
        raise DataError(Problem("every row is longer than data.max_length", allowed=allowed))
    setting = PlannedRun(shape, recipe, rows, device.kind, device.free)
    choice = pick(setting)
    computed, own = _tokens(recipe, rows, choice)
    return TrainingPlan(
        name=loaded.name,
        base=recipe.base.id,
        method=recipe.train.method,
        layers=shape.layers,
        device=device,
        choice=choice,
        free=limit(setting),
        change=None if choice.fits else first_change(setting),
        rows=len(rows.train),
        batch_size=recipe.train.batch_size,
        steps=steps(recipe, len(rows.train)),
        row_tokens=own,
        computed_tokens=computed,
        estimated=rows.estimated,
        overlong=rows.overlong,
        tree=recipe.train.packing == "prefix_tree",
        seconds=_seconds(shape, recipe, rows, choice, computed, device),
    )


def _tokens(recipe: Recipe, rows: TokenizedRows, choice: MicroBatchChoice) -> tuple[int, int]:
    """Tokens of the whole run that are computed, and that the rows have, by the share in `choice.drawn`."""
    own = _own(rows, recipe)
    share = sum(batch.computed for batch in choice.drawn) / sum(batch.row_tokens for batch in choice.drawn)
    return round(own * share), round(own)


def _seconds(
    shape: ModelShape,
    recipe: Recipe,
    rows: TokenizedRows,
    choice: MicroBatchChoice,
    computed: int,
    device: Device,
) -> float | None:
    """Time in seconds of all steps and evaluations, or None if the device's speed is unknown.

    Each weight takes two operations per token in the forward, two in the backward (the base's weights have no
    gradient), and two more if activation checkpointing repeats the forward.
    """
    if device.tflops is None:
        return None
    passes = 6 if recipe.train.activation_checkpointing else 4
    sources = sum(batch.sources for batch in choice.drawn) / sum(batch.computed for batch in choice.drawn)
    head = sources * shape.hidden * shape.vocabulary * 4
    evaluations = 1 + recipe.eval.per_epoch * recipe.train.epochs  # one of the base or the reference model
    forward = evaluations * sum(map(own_tokens, rows.validation)) * (computed / _own(rows, recipe))
    if recipe.train.method == "dpo":  # the reference model passes over the training pairs once
        forward += computed / recipe.train.epochs
    operations = computed * (shape.in_layers * passes + head) + forward * shape.in_layers * 2
    share = GPU_SHARE if device.kind == "cuda" else 1.0
    return operations / (device.tflops * 1e12 * share)


def _own(rows: TokenizedRows, recipe: Recipe) -> float:
    return sum(map(own_tokens, rows.train)) * recipe.train.epochs
