"""`tune`: search for the settings of a recipe that write best."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.cli.quiet import quiet_upstream
from lora_marketing.cli.recipes import Overrides
from lora_marketing.common.console import note, result, rich_stdout
from lora_marketing.common.errors import Problem, TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lora_marketing.recipe import LoadedRecipe
    from lora_marketing.tuning.journal import TrialRow

OBJECTIVE_NAMES = ("held_out_loss", "stop_rate", "voice", "chrf")
"""For `--help`, which imports nothing that measures; a test holds them against `tuning.objectives`."""


def tune(
    recipe: Annotated[Path, typer.Argument(help="Recipe file.")],
    trials: Annotated[int, typer.Option(min=1, help="Finished trials, the recipe itself included.")] = 20,
    objective: Annotated[str, typer.Option(help=f"One of {', '.join(OBJECTIVE_NAMES)}.")] = "held_out_loss",
    space: Annotated[
        Path | None, typer.Option(help="YAML file of the values to try; else ranges around the recipe.")
    ] = None,
    against: Annotated[
        list[Path] | None, typer.Option(help="Recipe of another brand, to tell the voice apart from.")
    ] = None,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Study folder; else studies/BRAND-LINE.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study in the folder.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the search; training keeps the recipe's.")] = 13,
) -> None:
    """Try other ranks, learning rates, epochs, alphas and variants, and write down the best recipe.

    The first trial is the recipe as it stands. Every trial trains on the one loaded base and is
    measured like a published run; trials behind the median are stopped early. Nothing is published.

    A space file holds `schema: 1` and any of `rank: [8, 16]`, `alpha_per_rank: [1, 2]`, `variant:
    [plain, dora]`, `learning_rate: {low: 1e-4, high: 2e-3}`, `epochs: {low: 1, high: 4}`.
    """
    from lora_marketing.common.files import check_writable
    from lora_marketing.data.dataset import prepare
    from lora_marketing.recipe import load_recipe
    from lora_marketing.tuning.objectives import require_objective
    from lora_marketing.tuning.space import default_space, read_space

    check_writable(out, folder=True)
    loaded = load_recipe(recipe, overrides or [])
    data = prepare(loaded)
    others = [load_recipe(path) for path in against or []]
    require_objective(objective, briefs=loaded.recipe.eval.briefs, against=len(others))
    searched = read_space(space, loaded.recipe) if space else default_space(loaded.recipe)
    folder = out or Path("studies") / loaded.name.replace("/", "-")
    check_writable(folder, folder=True)
    _require_packages()
    import optuna  # noqa: F401  # sets its own levels, once

    quiet_upstream()
    from lora_marketing.runs.run import BaseCache
    from lora_marketing.tuning.journal import StudyPlan
    from lora_marketing.tuning.results import write_table
    from lora_marketing.tuning.study import run_study

    plan = StudyPlan(objective, searched, trials, seed, others)
    rows = run_study(
        loaded,
        data,
        plan,
        BaseCache(),
        folder,
        resume=resume,
        after_trial=lambda rows: write_table(folder, rows),
    )
    _report(loaded, rows, objective, folder, min(loaded.recipe.eval.briefs, len(data.validation)))


def _report(
    loaded: LoadedRecipe, rows: Sequence[TrialRow], objective: str, folder: Path, copies: int
) -> None:
    from lora_marketing.tuning.objectives import OBJECTIVES
    from lora_marketing.tuning.plot import PLOT, draw_study
    from lora_marketing.tuning.results import best_of, table_of, write_best, write_table

    rich_stdout().print(table_of(rows, objective))
    write_table(folder, rows)
    title = f"{loaded.name}: {OBJECTIVES[objective].summary}"
    draw_study(folder / PLOT, rows, objective, title)
    if best_of(rows, objective).number == 0:
        note(f"{loaded.name}: the recipe as it stands is the best of {len(rows)} trials")
    if OBJECTIVES[objective].is_share:
        note(f"{objective} is a share of {copies} copies a trial: differences of a few copies are chance")
    result(str(write_best(folder, loaded, rows, objective)))


def _require_packages() -> None:
    missing = [name for name in ("optuna", "sacrebleu") if find_spec(name) is None]
    if missing:
        fix = 'pip install "lora_marketing[tune]"'
        what = "tuning needs packages that are not installed"
        raise TrainingError(Problem(what, got=", ".join(missing), fix=fix))
