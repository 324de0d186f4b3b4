"""Chooses the largest micro-batch that fits in memory, and what to change in a recipe that does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.planning.batches import PlannedBatch, drawn, micro_batch, worst
from lora_marketing.planning.memory import GIB, DeviceKind, MemoryPlan, Workload, layer_activations, memory
from lora_marketing.planning.rows import TokenizedRows
from lora_marketing.planning.shape import ModelShape
from lora_marketing.recipe import Recipe
from lora_marketing.tokens.render import Rendered
from lora_marketing.tokens.rendered_pairs import longest

LEAST_RANK = 4


@dataclass(frozen=True)
class PlannedRun:
    """A run to plan: its base's sizes, recipe and rows, the kind of device, and the device's `free` bytes."""

    shape: ModelShape
    recipe: Recipe
    rows: TokenizedRows
    kind: DeviceKind
    free: int


@dataclass(frozen=True)
class MicroBatchChoice:
    """A micro-batch size and the memory that it needs.

    `bound` is the memory if the largest rows are in one micro-batch, `expected` if micro-batches are drawn at
    random as in `drawn`. `fits` says whether `bound` does.
    """

    micro_batch_size: int
    bound: MemoryPlan
    expected: MemoryPlan
    fits: bool
    drawn: Sequence[PlannedBatch]


@dataclass(frozen=True)
class Change:
    """A change of the recipe that makes it fit: settings (`key=value`), and the micro-batch it leads to."""

    sets: tuple[str, ...]
    choice: MicroBatchChoice

    def __str__(self) -> str:
        return " ".join(f"--set {setting}" for setting in self.sets)


def choose(setting: PlannedRun) -> MicroBatchChoice:
    """The recipe's own micro-batch size, or the largest divisor of its batch size that fits.

    Raises:
        TrainingError: no size fits; the message names a change that does.
    """
    choice = pick(setting)
    if choice.fits:
        return choice
    change = first_change(setting)
    raise TrainingError(
        Problem(
            "the run does not fit in memory",
            got=f"{choice.bound.needed / GIB:.1f} GiB with train.micro_batch_size: {choice.micro_batch_size}",
            allowed=f"{setting.free / GIB:.1f} GiB are free"
            + (f", budget.memory_gib is {setting.recipe.budget.memory_gib:g}" if _capped(setting) else ""),
            fix=str(change) if change else "take a smaller base, or a machine with more memory",
        )
    )


def pick(setting: PlannedRun) -> MicroBatchChoice:
    """The largest micro-batch size that fits, or the smallest one if none fits (see `fits`)."""
    *larger, smallest = sizes(setting.recipe)
    for size in larger:
        if _highest(setting, _worst(setting, size), size).needed <= limit(setting):
            choice = measure(setting, size)
            if choice.fits:
                return choice
    return measure(setting, smallest)


def sizes(recipe: Recipe) -> list[int]:
    """The micro-batch sizes that the recipe allows, largest first."""
    batch, own = recipe.train.batch_size, recipe.train.micro_batch_size
    return [min(own, batch)] if own else divisors(batch)


def divisors(number: int) -> list[int]:
    """All divisors of `number`, largest first."""
    return [size for size in range(number, 0, -1) if number % size == 0]


def measure(setting: PlannedRun, size: int) -> MicroBatchChoice:
    """Compute the memory that micro-batches of `size` rows need."""
    recipe, rows = setting.recipe, setting.rows.train
    count = steps(recipe, len(rows)) * ceil(recipe.train.batch_size / size)
    batches = [_computed(setting, group) for group in drawn(rows, size, count, recipe.train.seed)]
    expected = _highest(setting, batches, size)
    bound = _highest(setting, [*batches, *_worst(setting, size)], size)
    return MicroBatchChoice(size, bound, expected, bound.needed <= limit(setting), batches)


def _worst(setting: PlannedRun, size: int) -> list[PlannedBatch]:
    weight = source_weight(setting.shape, setting.recipe)
    return [_computed(setting, group) for group in worst(setting.rows.train, size, per_source=weight)]


def _computed(setting: PlannedRun, group: Sequence[Rendered]) -> PlannedBatch:
    return micro_batch(group, tree=setting.recipe.train.packing == "prefix_tree")


def _highest(setting: PlannedRun, batches: Sequence[PlannedBatch], size: int) -> MemoryPlan:
    """The largest memory of a run over these micro-batches; evaluation takes `size` rows at a time, too."""
    shape, recipe, held_out = setting.shape, setting.recipe, setting.rows.validation
    groups = [held_out[start : start + size] for start in range(0, len(held_out), size)]
    evaluation = max((_computed(setting, group) for group in groups), key=lambda batch: batch.sources)
    written = held_out[: recipe.eval.briefs]
    longest = max((row.prompt_length for row in written), default=0) + recipe.eval.max_new_tokens
    plans = (
        memory(shape, recipe, Workload(batch, evaluation, len(written), longest), setting.kind)
        for batch in batches
    )
    return max(plans, key=lambda plan: plan.training)


def source_weight(shape: ModelShape, recipe: Recipe) -> float:
    """Bytes of a completion token's logits, divided by the bytes of a token in all layers."""
    if recipe.train.packing == "padded":
        return 0.0
    token = PlannedBatch(1, 1, 1, 1, 0, 1, 1)
    layers = 1 if recipe.train.activation_checkpointing else shape.layers
    return 20 * shape.vocabulary / (layers * layer_activations(shape, recipe, token))


def steps(recipe: Recipe, rows: int) -> int:
    """Number of optimizer steps of the whole run on `rows` training rows."""
    return ceil(ceil(rows / recipe.train.batch_size) * recipe.train.epochs)


def limit(setting: PlannedRun) -> int:
    """Bytes that the run may use: what is free, but at most `budget.memory_gib` of the recipe."""
    budget = setting.recipe.budget.memory_gib
    return setting.free if budget is None else min(setting.free, round(budget * GIB))


def _capped(setting: PlannedRun) -> bool:
    return limit(setting) < setting.free


def first_change(setting: PlannedRun) -> Change | None:
    """The first change that makes the run fit, or None if none does.

    Changes are tried in the order of their cost: a smaller micro-batch costs only time, activation
    checkpointing about a third more computing; a smaller rank and dropped rows change what is learned, so
    they come last.
    """
    for sets, changed in _changes(setting):
        choice = pick(changed)
        if choice.fits:
            size = f"train.micro_batch_size={choice.micro_batch_size}"
            return Change((size, *sets) if setting.recipe.train.micro_batch_size else sets, choice)
    return None


def _changes(setting: PlannedRun) -> Iterator[tuple[tuple[str, ...], PlannedRun]]:
    recipe = setting.recipe
    recipe = _with(recipe, "train", micro_batch_size=None)
    yield (), replace(setting, recipe=recipe)
    sets: tuple[str, ...] = ()
    if not recipe.train.activation_checkpointing:
        recipe, sets = (
            _with(recipe, "train", activation_checkpointing=True),
            ("train.activation_checkpointing=true",),
        )
        yield sets, replace(setting, recipe=recipe)
    rank = recipe.lora.rank
    while rank // 2 >= LEAST_RANK:
        rank //= 2
        recipe = _with(recipe, "lora", rank=rank)
        yield (*sets, f"lora.rank={rank}"), replace(setting, recipe=recipe)
    sets = (*sets, f"lora.rank={rank}") if rank < setting.recipe.lora.rank else sets
    for length in _lengths(setting.rows.train):
        shorter = _shortened(setting.rows, length)
        if shorter.train and shorter.validation:
            changed = replace(setting, recipe=recipe, rows=shorter)
            yield (*sets, f"data.max_length={length}", "data.overlong=drop"), changed


def _with(recipe: Recipe, section: str, **changes: object) -> Recipe:
    return recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=changes)})


def _lengths(rows: Sequence[Rendered]) -> list[int]:
    """Row lengths that 10 %, 25 % and 50 % of the rows exceed."""
    ordered = sorted(map(longest, rows))
    return [ordered[int(len(ordered) * share) - 1] for share in (0.9, 0.75, 0.5)]


def _shortened(rows: TokenizedRows, length: int) -> TokenizedRows:
    train, held_out = (
        [row for row in split if longest(row) <= length] for split in (rows.train, rows.validation)
    )
    return TokenizedRows(train, held_out, rows.estimated)
