"""`train`: from recipes to published adapters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.cli.quiet import quiet_upstream
from lora_marketing.cli.recipes import Overrides
from lora_marketing.console import note, result
from lora_marketing.errors import LoraMarketingError, Problem

if TYPE_CHECKING:
    from lora_marketing.data import Dataset
    from lora_marketing.recipe import LoadedRecipe


def train(
    recipes: Annotated[list[Path], typer.Argument(metavar="RECIPE...", help="Recipe files.")],
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest valid checkpoint.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Train even if this very run is published.")] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Run the whole recipe with a tiny random model of its kind.")
    ] = False,
    adapters: Annotated[Path, typer.Option(help="The registry.")] = Path("adapters"),
    runs: Annotated[Path, typer.Option(help="Where unfinished runs keep their checkpoints.")] = Path("runs"),
) -> None:
    """Train one adapter per recipe and publish it as @candidate.

    All recipes and their data are checked before the first one trains. The base is loaded once
    for recipes that share it. A recipe whose very run is already published is left alone, and one
    that fails does not stop the others.
    """
    from lora_marketing.data import prepare
    from lora_marketing.recipe import load_recipe

    jobs = [(loaded, prepare(loaded)) for loaded in (load_recipe(path, overrides or []) for path in recipes)]
    if smoke:
        _smoke(jobs)
        return
    from lora_marketing.registry.store import Registry
    from lora_marketing.runs import BaseHolder, published_run, train_and_publish

    registry, holder = Registry(adapters), BaseHolder()
    problems: list[Problem] = []
    for loaded, data in jobs:
        version = None if force else published_run(loaded, data, registry)
        if version:
            note(f"{loaded.name}: this run is already published")
        else:
            quiet_upstream()
            try:
                version = train_and_publish(loaded, data, holder, registry, runs, resume=resume)
            except LoraMarketingError as error:
                note(f"{loaded.name}: failed")
                problems.extend(error.problems)
                continue
        result(f"{version.name}:{version.digest[:16]}")
    if problems:
        raise LoraMarketingError(problems)


def _smoke(jobs: Sequence[tuple[LoadedRecipe, Dataset]]) -> None:
    quiet_upstream()
    from lora_marketing.smoke import smoke_run

    for loaded, data in jobs:
        result(smoke_run(loaded, data))
