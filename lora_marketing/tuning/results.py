"""The results of a study: its best trial, its table, and the best recipe as an overlay file."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_marketing.common.documents import shown
from lora_marketing.common.files import write_output
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.tuning.journal import TrialRow
from lora_marketing.tuning.objectives import OBJECTIVES
from lora_marketing.tuning.space import value_at

if TYPE_CHECKING:
    from rich.table import Table

TRIALS = "trials.csv"
BEST = "best.yaml"


def best_of(rows: Sequence[TrialRow], objective: str) -> TrialRow:
    """The best finished trial; ties go to the lower held-out loss, then to the earlier trial."""
    sign = OBJECTIVES[objective].sign
    done = [row for row in rows if row.state == "done"]
    return min(
        done, key=lambda row: (sign * row.figures[objective], row.figures["held_out_loss"], row.number)
    )


def shown_figure(name: str, value: float) -> str:
    """Format a figure: shares in percent, losses with three decimals, chrF with one.

    >>> shown_figure("stop_rate", 0.875)
    '88%'
    """
    return f"{value:.0%}" if OBJECTIVES[name].is_share else f"{value:.{1 if name == 'chrf' else 3}f}"


def measured(rows: Sequence[TrialRow], objective: str) -> list[str]:
    """Names of all figures that some trial has, the objective first."""
    names = [name for name in OBJECTIVES if any(name in row.figures for row in rows)]
    return sorted(names, key=lambda name: name != objective)


def ended(row: TrialRow) -> str:
    """How a trial ended, as a note for the table."""
    if row.repeats is not None:
        return f"as trial {row.repeats}"
    return f"failed: {row.problem}" if row.state == "failed" else row.state


def table_of(rows: Sequence[TrialRow], objective: str) -> Table:
    """A table of all trials and their figures; the best is bold, the recipe is marked."""
    from rich.table import Table

    names, best = measured(rows, objective), best_of(rows, objective)
    keys = [key.partition(".")[2].replace("_", " ") for key in rows[0].settings]
    table = Table("trial", *keys, *(name.replace("_", " ") for name in names), "min", "", box=None)
    for row in rows:
        figures = [shown_figure(name, row.figures[name]) if name in row.figures else "" for name in names]
        marks = [mark for mark, holds in (("recipe", row.number == 0), ("best", row == best)) if holds]
        notes = ", ".join([*marks, *([] if ended(row) == "done" else [ended(row)])])
        values = [f"{value:g}" if isinstance(value, float) else str(value) for value in row.settings.values()]
        style = "bold" if row == best else "" if row.state == "done" else "dim"
        table.add_row(str(row.number), *values, *figures, f"{row.seconds / 60:.1f}", notes, style=style)
    return table


def write_table(folder: Path, rows: Sequence[TrialRow]) -> Path:
    """Write `trials.csv` atomically and return its path."""
    keys, names = list(rows[0].settings), list(OBJECTIVES)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", *keys, *names, "seconds", "repeats", "problem"])
    for row in rows:
        figures = [row.figures.get(name, "") for name in names]
        repeats = "" if row.repeats is None else row.repeats
        writer.writerow(
            [row.number, row.state, *row.settings.values(), *figures, row.seconds, repeats, row.problem]
        )
    return _written(folder / TRIALS, text.getvalue())


def write_best(folder: Path, loaded: LoadedRecipe, rows: Sequence[TrialRow], objective: str) -> Path:
    """Write `best.yaml`, which extends the tuned recipe by what the best trial and `--set` changed."""
    best, recipe = best_of(rows, objective), rows[0]
    figure, own = (shown_figure(objective, row.figures[objective]) for row in (best, recipe))
    origin = "the recipe as it stands" if best is recipe else f"trial {best.number}; the recipe had {own}"
    lines = [
        f"# Best of {len(rows)} trials of the study {shown(folder)}: {objective} {figure} ({origin}).",
        f"extends: {json.dumps(Path(os.path.relpath(loaded.path, folder)).as_posix(), ensure_ascii=False)}",
        *_nested({**_overridden(loaded), **_changed(best, loaded)}),
    ]
    return _written(folder / BEST, "\n".join(lines) + "\n")


def _changed(best: TrialRow, loaded: LoadedRecipe) -> dict[str, Any]:
    return {key: value for key, value in best.settings.items() if value != value_at(loaded.recipe, key)}


def _overridden(loaded: LoadedRecipe) -> dict[str, Any]:
    """Values from `--set` by dotted key, which the extended recipe file does not have."""
    return {
        ".".join(map(str, path)): settings[-1].value
        for path, settings in loaded.history.items()
        if settings[-1].place.startswith("--set ") and not isinstance(settings[-1].value, Mapping)
    }


def _nested(values: Mapping[str, Any]) -> list[str]:
    """The values of dotted keys as YAML lines, nested by section."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *above, last = key.split(".")
        inner = tree
        for part in above:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return _lines(tree, "")


def _lines(tree: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {json.dumps(value, ensure_ascii=False)}")
    return lines


def _written(path: Path, text: str) -> Path:
    write_output(path, text)
    return path
