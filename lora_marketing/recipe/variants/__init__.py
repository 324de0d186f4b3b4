"""LoRA variants, one file each: its name is what `lora.variant` may be, its `VARIANT` says all about it.

Recipes, plans, training and the load gate ask that object, and know no variant by name. So a new variant is
one new file; torch and peft are imported inside its functions only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_marketing.common.errors import Problem, RecipeError, nearest
from lora_marketing.common.plugins import module, names
from lora_marketing.recipe.schema import MAX_SCALING, Recipe

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

PACKAGE = __name__
"""The folder of variants, as a package."""
PLAIN = "plain"

SET_BY_RECIPE = {
    "task_type": "the kit",
    "r": "lora.rank",
    "lora_alpha": "lora.alpha",
    "lora_dropout": "lora.dropout",
    "target_modules": "lora.target_modules",
}
"""Arguments of PEFT's LoraConfig that no variant may give, and what sets them."""


@dataclass(frozen=True)
class GateFlags:
    """Arguments of PEFT's LoraConfig that an adapter's file keeps and that change what its tensors mean."""

    use_rslora: bool
    use_dora: bool


@dataclass(frozen=True)
class Conflict:
    """A recipe key, and by `clashes` the values of it that a variant cannot be combined with."""

    key: str
    clashes: Callable[[Any], bool]
    what: str
    fix: str


@dataclass(frozen=True)
class MemoryCost:
    """What a variant needs beyond plain LoRA, for every output feature of every adapted layer.

    `trained` are parameters; `kept` are values of the compute dtype that the backward needs of every token.
    """

    trained: int = 0
    kept: int = 0


@dataclass(frozen=True)
class NewLayer:
    """One adapted layer before the first step: what a preparation may read, and the weights that it sets.

    Args:
        name: the module's name in the base.
        a: (rank, in), trained.
        b: (out, rank), trained.
        scaling: what B A is multiplied by.
        quantized: whether the base's weight was rounded.
        weight: gives the base's weight (out, in) in float32, as it is computed with.
    """

    name: str
    a: Tensor
    b: Tensor
    scaling: float
    quantized: bool
    weight: Callable[[], Tensor]


@dataclass(frozen=True)
class LoraVariant:
    """All that sets one variant apart from plain LoRA.

    Args:
        summary: one line for people.
        source: the paper.
        peft: further arguments of PEFT's LoraConfig.
        prepare: sets the new adapter's weights before the first step; gets its layers and the base's folder.
        optimizer: makes the optimizer; called with the model, the optimizer's class, its arguments (with the
            learning rate) and the recipe. None: one learning rate for all weights.
        keys: recipe keys that this variant reads and plain LoRA does not.
        conflicts: what it cannot be combined with.
        unfused: why its micro-batches cannot be computed with those of other brands, whose updates are
            `scaling * B A x`; None where they can.
        memory: what it needs beyond plain LoRA.
        refused: why it cannot be used at all, and what to use; None where it can.
    """

    summary: str
    source: str
    peft: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Sequence[NewLayer], Path], None] | None = None
    optimizer: Callable[[nn.Module, type[Optimizer], Mapping[str, Any], Recipe], Optimizer] | None = None
    keys: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    unfused: str | None = "its update is not known to be scaling * B A x"
    memory: MemoryCost = MemoryCost()
    refused: str | None = None

    @property
    def gate(self) -> GateFlags:
        """What the load gate must find in an adapter of this variant."""
        return GateFlags(bool(self.peft.get("use_rslora")), bool(self.peft.get("use_dora")))

    @property
    def trains_otherwise(self) -> bool:
        """Whether it has steps of its own, beside arguments of PEFT's."""
        return self.prepare is not None or self.optimizer is not None


def variant_names() -> tuple[str, ...]:
    """All variants, plain LoRA first."""
    return _names(PACKAGE)


def variant_named(name: str) -> LoraVariant:
    """The variant in the file `name`.

    Raises:
        RecipeError: there is no such file, or it holds no variant.
    """
    return _load(PACKAGE, name)


def variants_with(flags: GateFlags) -> str:
    """The variants whose adapters have these flags, in words: `plain or loraplus`."""
    usable = ((name, variant) for name in variant_names() if not (variant := variant_named(name)).refused)
    *others, last = [name for name, variant in usable if variant.gate == flags] or ["no variant"]
    return f"{', '.join(others)} or {last}" if others else last


def variant_problems(recipe: Recipe, where: str | None) -> list[Problem]:
    """What speaks against the recipe's variant: unknown, useless, or in a combination that cannot work."""
    name = recipe.lora.variant
    if name not in variant_names():
        return [Problem(f'unknown LoRA variant "{name}"', where, allowed=nearest(name, variant_names()))]
    variant = variant_named(name)
    if variant.refused:
        return [Problem(f"LoRA variant {name} cannot be used", where, fix=variant.refused)]
    if problem := _defect(name, variant, where):
        return [problem]
    return [
        Problem(conflict.what, where, got=f"{conflict.key}: {value}", fix=conflict.fix)
        for conflict in variant.conflicts
        if conflict.clashes(value := _value_at(recipe, conflict.key))
    ]


def scaling_problems(recipe: Recipe, where: str | None) -> Iterator[Problem]:
    """An adapter that the load gate would refuse after the whole training."""
    name, rank, alpha = recipe.lora.variant, recipe.lora.rank, recipe.lora.alpha
    rooted = name in variant_names() and variant_named(name).gate.use_rslora
    divisor = math.sqrt(rank) if rooted else float(rank)
    if alpha > MAX_SCALING * divisor:
        scaling = "lora.alpha / sqrt(lora.rank)" if rooted else "lora.alpha / lora.rank"
        yield Problem(
            f"{scaling} is more than the load gate lets through",
            where,
            got=f"{alpha} at rank {rank}: {alpha / divisor:g}",
            allowed=f"at most {MAX_SCALING:g}",
            fix="lower lora.alpha; train.learning_rate does the same for small adapters",
        )


def changes_nothing(name: str, where: str | None) -> Problem:
    """A variant that would train plain LoRA under another name."""
    fix = "give its VARIANT arguments for PEFT, a preparation or an optimizer; or use plain"
    return Problem(f"LoRA variant {name} changes nothing against plain", where, fix=fix)


def unread_keys(recipe: Recipe, before: Collection[str]) -> Iterator[tuple[str, str]]:
    """Keys with a value that only other variants read, and the names of those.

    A key that a variant of `before` reads may stay: an overlay that takes another variant cannot unset it.
    """
    readers: dict[str, list[str]] = {}
    for name in variant_names():
        for key in variant_named(name).keys:
            readers.setdefault(key, []).append(name)
    for key, reading in readers.items():
        section, _, inner = key.partition(".")
        default = type(getattr(recipe, section)).model_fields[inner].default
        if not {recipe.lora.variant, *before} & set(reading) and _value_at(recipe, key) != default:
            yield key, " or ".join(reading)


@cache
def _names(package: str) -> tuple[str, ...]:
    files = names(package, ".py")
    return (PLAIN, *(name for name in files if name != PLAIN))


@cache
def _load(package: str, name: str) -> LoraVariant:
    if name not in _names(package):
        raise RecipeError(Problem(f'unknown LoRA variant "{name}"', allowed=nearest(name, _names(package))))
    file = module(package, name)
    variant = getattr(file, "VARIANT", None)
    if not isinstance(variant, LoraVariant):
        fix = "set VARIANT to a LoraVariant in it"
        raise RecipeError(Problem("the file holds no LoRA variant", file.__file__, fix=fix))
    return variant


def _defect(name: str, variant: LoraVariant, where: str | None) -> Problem | None:
    """What is wrong with the variant itself."""
    for argument in sorted(SET_BY_RECIPE.keys() & variant.peft.keys()):
        what = f"LoRA variant {name} sets {argument}, which {SET_BY_RECIPE[argument]} sets"
        return Problem(what, where, fix="take it out of the variant's file")
    plain = variant_named(PLAIN).peft
    same = {**plain, **variant.peft} == plain and not variant.trains_otherwise
    return changes_nothing(name, where) if same and name != PLAIN else None


def _value_at(recipe: Recipe, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(recipe, section), name)
