"""`train`: from recipes to published adapters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.cli.quiet import quiet_upstream
from lora_marketing.cli.recipes import Overrides
from lora_marketing.common.console import note, result
from lora_marketing.common.errors import LoraMarketingError, Problem, RecipeError

if TYPE_CHECKING:
    from lora_marketing.data.dataset import Dataset
    from lora_marketing.recipe import LoadedRecipe
    from lora_marketing.registry.version import Version


def train(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="Recipe files.")],
    overrides: Overrides = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the newest valid checkpoint; say so if there is none."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Train even if this very run is published.")] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Run the whole recipe with a tiny random model of its kind.")
    ] = False,
    together: Annotated[
        int, typer.Option(min=1, help="At most so many brands in one forward, instead of in turns.")
    ] = 1,
    adapters: Annotated[Path, typer.Option(help="The registry.")] = Path("adapters"),
    runs: Annotated[Path, typer.Option(help="Where unfinished runs keep their checkpoints.")] = Path("runs"),
) -> None:
    """Train one adapter per recipe and publish it as @candidate.

    All recipes and their data are checked before the first one trains. The base is loaded once
    for recipes that share it. A recipe whose very run is already published is left alone, and one
    that fails does not stop the others.
    """
    from lora_marketing.common.files import check_writable
    from lora_marketing.data.dataset import prepare
    from lora_marketing.recipe import load_recipe

    written = [] if smoke else [adapters, runs]
    check_writable(*written, folder=True)
    _refuse_twice(recipes)
    loaded_recipes = [load_recipe(path, overrides or []) for path in recipes]
    check_writable(*{adapters / loaded.name: None for loaded in loaded_recipes if written}, folder=True)
    jobs = [(loaded, prepare(loaded)) for loaded in loaded_recipes]
    if smoke:
        _smoke(jobs)
        return
    from lora_marketing.registry.store import Registry
    from lora_marketing.runs.fleet import Fleet, Job, show_summary
    from lora_marketing.runs.run import BaseCache, published_run

    registry = Registry(adapters)
    published = [None if force else published_run(*job, registry) for job in jobs]
    missing = [Job(*job) for job, version in zip(jobs, published, strict=True) if version is None]
    for version in published:
        if version:
            note(f"{version.name}: this run is already published")
    outcomes: list[Version | LoraMarketingError] = []
    if missing:
        quiet_upstream()
        outcomes = Fleet(registry, runs, BaseCache(), together, resume).train(missing)
    if len(missing) > 1:
        show_summary(missing, outcomes)
    new = iter(outcomes)
    ended = [version or next(new) for version in published]
    for outcome in ended:
        if not isinstance(outcome, LoraMarketingError):
            result(f"{outcome.name}:{outcome.digest[:16]}")
    problems = [problem for end in ended if isinstance(end, LoraMarketingError) for problem in end.problems]
    if problems:
        raise LoraMarketingError(problems)


def _refuse_twice(recipes: Sequence[Path]) -> None:
    """The same run twice would write its checkpoints into one folder."""
    paths = [path.resolve() for path in recipes]
    twice = [given for place, given in enumerate(recipes) if paths[place] in paths[:place]]
    if twice:
        raise RecipeError([Problem("this recipe is given twice", str(path)) for path in twice])


def _smoke(jobs: Sequence[tuple[LoadedRecipe, Dataset]]) -> None:
    quiet_upstream()
    from lora_marketing.runs.smoke import smoke_run

    for loaded, data in jobs:
        result(smoke_run(loaded, data))
