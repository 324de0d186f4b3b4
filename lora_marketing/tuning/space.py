"""The search space of a study: the values to try for each tuned key of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import Field, model_validator

from lora_marketing.common.documents import FilePlace, Frozen, place_of, read_document, validated
from lora_marketing.common.errors import Problem, RecipeError
from lora_marketing.recipe import LoadedRecipe, Recipe, variant_names
from lora_marketing.recipe.schema import PositiveFloat
from lora_marketing.recipe.variants import scaling_problems, variant_problems

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

SPREAD = 4.0
"""The default space tries learning rates from the recipe's divided by SPREAD to the recipe's times SPREAD."""

DRAWN_FIRST = ("plain", "rslora", "dora", "loraplus", "loftq")
"""The first variants in the default space. Their order must not change, or a seed draws other trials."""

SearchValue = int | float | str
TrialSettings = Mapping[str, SearchValue]
"""Values of recipe keys by dotted key, such as `lora.rank` or `train.learning_rate`."""


class Range(Frozen):
    """All numbers from `low` to `high`, both included."""

    low: PositiveFloat
    high: PositiveFloat

    @model_validator(mode="after")
    def _in_order(self) -> Range:
        if self.low >= self.high:
            raise ValueError("low must be less than high")
        return self


class Space(Frozen):
    """The values to try for each key; a key that is left out keeps the recipe's value.

    Alpha is `alpha_per_rank` times the rank. Learning rates are drawn from a log-uniform distribution.
    """

    schema_version: int = Field(alias="schema", ge=1, le=1)
    rank: Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(min_length=1)] | None = None
    alpha_per_rank: Annotated[list[PositiveFloat], Field(min_length=1)] | None = None
    variant: Annotated[list[str], Field(min_length=1)] | None = None
    learning_rate: Range | None = None
    epochs: Range | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the keys that are searched."""
        return tuple(name for name in _KEYS if getattr(self, name) is not None)

    def distributions(self) -> dict[str, BaseDistribution]:
        """The space as Optuna's distributions, by key."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution

        distributions: dict[str, BaseDistribution] = {}
        for name in self.keys:
            values = getattr(self, name)
            if isinstance(values, Range):
                distributions[name] = FloatDistribution(values.low, values.high, log=name == "learning_rate")
            else:
                distributions[name] = CategoricalDistribution(values)
        return distributions


_KEYS = ("rank", "alpha_per_rank", "variant", "learning_rate", "epochs")


def default_space(recipe: Recipe) -> Space:
    """A space of usual ranks, alphas and variants, and of learning rates and epochs around the recipe's."""
    epochs, rate = recipe.train.epochs, recipe.train.learning_rate
    return Space(
        schema=1,
        rank=sorted({4, 8, 16, 32, recipe.lora.rank}),
        alpha_per_rank=sorted({1.0, 2.0, 4.0, recipe.lora.alpha / recipe.lora.rank}),
        variant=[name for name in _variants() if not variant_problems(_with_variant(recipe, name), None)],
        learning_rate=Range(low=rate / SPREAD, high=rate * SPREAD),
        epochs=Range(low=epochs / 2, high=epochs * 2),
    )


def _variants() -> list[str]:
    """All variants in the order of the default space; variants that are not in `DRAWN_FIRST` come last."""
    return [*DRAWN_FIRST, *(name for name in variant_names() if name not in DRAWN_FIRST)]


def read_space(path: Path, recipe: Recipe) -> Space:
    """Read a space file and check it against the recipe that is to be tuned.

    Raises:
        DocumentError: the file is missing or broken.
        RecipeError: a key is unknown or has a wrong type, a variant cannot be used, there is nothing to
            search, or the space lacks the recipe's own value (the recipe is the first trial); all problems at
            once.
    """
    document = read_document(path)
    space = validated(Space, document.value, document.places)
    problems = list(_space_problems(space, recipe, document.places))
    if not space.keys:
        problems.append(Problem("nothing to search", f"{path}:1", allowed=", ".join(_KEYS)))
    if problems:
        raise RecipeError(problems)
    return space


def _space_problems(space: Space, recipe: Recipe, places: Mapping[Any, FilePlace]) -> Iterator[Problem]:
    for index, name in enumerate(space.variant or ()):
        yield from variant_problems(_with_variant(recipe, name), place_of(("variant", index), places))
    own = own_values(recipe)
    yield from _scalings(space, recipe, own, place_of(("alpha_per_rank",), places))
    for name in space.keys:
        values = getattr(space, name)
        inside = values.low <= own[name] <= values.high if isinstance(values, Range) else own[name] in values
        if not inside:
            yield Problem(
                f"{name} leaves out the recipe's own value, which is the first trial",
                place_of((name,), places),
                got=f"the recipe has {own[name]}",
                fix=f"add it to {name}, or change the recipe with --set",
            )
        if not isinstance(values, Range) and len(set(values)) < len(values):
            yield Problem(f"{name} names a value twice", place_of((name,), places))


def _scalings(
    space: Space, recipe: Recipe, own: Mapping[str, Any], where: FilePlace | None
) -> Iterator[Problem]:
    """The largest scaling that a trial could have, if the load gate would refuse it."""
    rank, ratio = max(space.rank or [own["rank"]]), max(space.alpha_per_rank or [own["alpha_per_rank"]])
    for name in space.variant or [own["variant"]]:
        update = {"rank": rank, "alpha": max(1, round(rank * ratio)), "variant": name}
        largest = recipe.model_copy(update={"lora": recipe.lora.model_copy(update=update)})
        yield from islice(scaling_problems(largest, where), 1)


def own_values(recipe: Recipe) -> dict[str, Any]:
    """The recipe's own values, by key of the space."""
    return {
        "rank": recipe.lora.rank,
        "alpha_per_rank": recipe.lora.alpha / recipe.lora.rank,
        "variant": recipe.lora.variant,
        "learning_rate": recipe.train.learning_rate,
        "epochs": recipe.train.epochs,
    }


def settings_of(params: Mapping[str, Any], recipe: Recipe) -> dict[str, SearchValue]:
    """The recipe settings of a drawn point of the space, with learning rate and epochs rounded."""
    drawn = own_values(recipe) | dict(params)
    settings: dict[str, SearchValue] = {
        "lora.rank": drawn["rank"],
        "lora.alpha": max(1, round(drawn["rank"] * drawn["alpha_per_rank"])),
        "lora.variant": drawn["variant"],
        "train.learning_rate": float(f"{drawn['learning_rate']:.3g}"),
        "train.epochs": max(0.01, round(drawn["epochs"], 2)),
    }
    return {key: value for key, value in settings.items() if _SETS[key] & params.keys()}


_SETS = {
    "lora.rank": {"rank"},
    "lora.alpha": {"rank", "alpha_per_rank"},
    "lora.variant": {"variant"},
    "train.learning_rate": {"learning_rate"},
    "train.epochs": {"epochs"},
}
"""For each key of the recipe, the keys of the space that set it."""


def with_settings(loaded: LoadedRecipe, settings: TrialSettings) -> LoadedRecipe:
    """A copy of the recipe with these settings."""
    recipe = loaded.recipe
    for key, value in settings.items():
        section, _, name = key.partition(".")
        changed = getattr(recipe, section).model_copy(update={name: value})
        recipe = recipe.model_copy(update={section: changed})
    return replace(loaded, recipe=recipe)


def value_at(recipe: Recipe, key: str) -> SearchValue:
    """The recipe's value of a dotted key."""
    section, _, name = key.partition(".")
    return cast(SearchValue, getattr(getattr(recipe, section), name))


def _with_variant(recipe: Recipe, name: str) -> Recipe:
    return recipe.model_copy(update={"lora": recipe.lora.model_copy(update={"variant": name})})
