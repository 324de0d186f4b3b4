"""`plan`: will it fit, what does it save, how long and how much. No torch unless it calibrates."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.cli.recipes import Overrides
from lora_marketing.common.console import result, rich_stdout
from lora_marketing.common.errors import Problem, RecipeError

if TYPE_CHECKING:
    from lora_marketing.data.dataset import Dataset
    from lora_marketing.planning.plan import TrainingPlan
    from lora_marketing.recipe import LoadedRecipe
    from lora_marketing.training.calibrate import Calibration

PARTS = (
    ("nf4", "weights in NF4"),
    ("unquantized", "other weights"),
    ("lora", "LoRA"),
    ("gradients", "gradients"),
    ("optimizer", "optimizer"),
    ("activations", "activations"),
    ("logits", "logits"),
    ("workspace", "one layer's workspace"),
    ("overhead", "overhead"),
)


def plan(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file.")],
    overrides: Overrides = None,
    gpu: Annotated[str | None, typer.Option(help='Plan for a GPU, as in --gpu "RTX 4090".')] = None,
    memory: Annotated[
        str | None, typer.Option(help="Plan for a GPU with so much memory, as in 24GiB.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Run the two worst steps here and compare.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Say what a run needs before it starts: memory, steps, time, cost.

    When it does not fit, it names the first change that would. Without --gpu or --memory, it plans
    for this machine. Only --calibrate loads a model.
    """
    from lora_marketing.data.dataset import prepare
    from lora_marketing.planning.devices import gpu_named, gpu_of_size, this_machine
    from lora_marketing.planning.plan import make_plan
    from lora_marketing.recipe import load_recipe

    if (gpu is not None) + (memory is not None) + calibrate > 1:
        fix = "give one of --gpu, --memory and --calibrate, which runs on this machine"
        raise RecipeError(Problem("these options do not go together", fix=fix))
    device = gpu_named(gpu) if gpu else gpu_of_size(memory) if memory else this_machine()
    loaded = load_recipe(recipe, overrides or [])
    data = prepare(loaded)
    planned = make_plan(loaded, data, device)
    measured = _calibrated(loaded, data) if calibrate else None
    if as_json:
        values = dict(planned.as_dict()) | ({"calibration": asdict(measured)} if measured else {})
        result(json.dumps(values, indent=2, ensure_ascii=False))
    else:
        _print(planned, measured)


def _calibrated(loaded: LoadedRecipe, data: Dataset) -> Calibration:
    from lora_marketing.cli.quiet import quiet_upstream

    quiet_upstream()
    from lora_marketing.engine.base import load_base
    from lora_marketing.training.calibrate import calibrate
    from lora_marketing.training.rendering import render_dataset

    base = load_base(loaded.recipe.base)
    return calibrate(loaded, render_dataset(data, loaded, base), base)


def _print(plan: TrainingPlan, measured: Calibration | None) -> None:
    from rich.table import Table

    bound, choice = plan.choice.bound, plan.choice
    console = rich_stdout()
    console.print(f"[bold]{plan.name}[/bold] on {plan.base}, {plan.device.name}, {_gib(plan.free)} free")
    verdict = "[green]fits[/green]" if choice.fits else "[red]does not fit[/red]"
    console.print(
        f"{verdict}: needs {_gib(bound.needed)} if the longest rows meet"
        f" [dim](peak {_gib(bound.peak)}; {_gib(choice.expected.peak)} expected)[/dim]"
    )
    if plan.change:
        console.print(
            f"first change that fits: [bold]{plan.change}[/bold]"
            f" [dim](needs {_gib(plan.change.choice.bound.needed)})[/dim]"
        )
    elif not choice.fits:
        console.print("no setting fits: take a smaller base or more memory")
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(justify="right")
    for name, title in PARTS:
        by_layer = f", {plan.layers} layers of {bound.activations / plan.layers / 2**20:.0f} MiB"
        table.add_row(title + by_layer * (name == "activations"), _gib(getattr(bound, name)))
    table.add_row("evaluation peak", _gib(bound.evaluation))
    table.add_row("writing peak", _gib(bound.generation))
    console.print(table)
    _print_work(plan)
    if measured:
        _print_measured(plan, measured)


def _print_work(plan: TrainingPlan) -> None:
    console, about = rich_stdout(), "about " if plan.estimated else ""
    size, times = plan.choice.micro_batch_size, plan.accumulation
    rows = "pairs" if plan.method == "dpo" else "rows"
    console.print(
        f"{plan.steps} steps of {plan.batch_size} {rows}: {times} x {size}; {plan.rows} {rows} to train on"
    )
    if plan.method == "dpo":
        console.print("a pair is two rows, padded; the reference passes over all of them once")
    saving = (
        f"{about}{plan.computed_tokens:,} computed, {plan.saved:.0%} saved by prefix trees"
        if plan.tree
        else f"{about}{plan.computed_tokens:,} computed with padding"
    )
    console.print(f"{about}{plan.row_tokens:,} tokens, {saving}")
    if plan.estimated:
        console.print(
            "[yellow]tokens are an estimate from characters: the base's tokenizer is not here[/yellow]"
        )
    if plan.overlong:
        console.print(f"[yellow]{plan.overlong} {rows} are longer than data.max_length[/yellow]")
    if plan.seconds is not None:
        cost = "" if plan.usd is None else f", {_cost(plan.usd)} at {plan.device.price_date} prices"
        console.print(f"about {_duration(plan.seconds)} at the table's speed{cost}")


def _print_measured(plan: TrainingPlan, measured: Calibration) -> None:
    rich_stdout().print(
        f"two worst steps: predicted {measured.predicted_gib:.2f} GiB,"
        f" measured {measured.measured_gib:.2f} GiB ({measured.error:+.0%});"
        f" {measured.tokens_per_second:.0f} tokens/s;"
        f" {_duration(plan.computed_tokens / measured.computed_per_second)} at this speed"
    )


def _cost(usd: float) -> str:
    return f"about ${usd:.2f}" if usd >= 0.01 else "less than $0.01"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )
