"""`evaluate`: figures over written copy. Needs no model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lora_marketing.console import result, rich_stdout


def evaluate(
    copies: Annotated[Path, typer.Option("--from", help="Copy that `generate --out` kept.")],
    recipe: Annotated[
        list[Path], typer.Option("--recipe", help="Recipes whose real texts teach the voice classifier.")
    ],
    seed: Annotated[int, typer.Option(help="Folds and bootstrap.")] = 13,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Does the copy sound like its brand? A classifier learned the brands' real texts, topic words masked."""
    from rich.table import Table

    from lora_marketing.copies import read_copies
    from lora_marketing.evaluation import score_voices
    from lora_marketing.recipe import load_recipe

    report = score_voices(read_copies(copies), [load_recipe(path) for path in recipe], seed)
    if as_json:
        result(json.dumps(report.as_dict(), indent=2))
        return
    console = rich_stdout()
    held = report.held_out
    console.print(
        f"Voice classifier on held-out real texts, topic words masked:"
        f" {held.accuracy:.1%} right [dim](95 % interval {held.interval[0]:.1%} to {held.interval[1]:.1%},"
        f" {held.n} texts of {', '.join(held.by_brand)})[/dim]"
    )
    table = Table("written by", "as brand", "texts", "named right", "95 % interval", "stopped", box=None)
    for row in report.rows:
        interval = f"{row.score.interval[0]:.0%} to {row.score.interval[1]:.0%}"
        table.add_row(
            row.writer, row.brand, str(row.score.n), f"{row.score.share:.0%}", interval, f"{row.stopped:.0%}"
        )
    console.print(table)
