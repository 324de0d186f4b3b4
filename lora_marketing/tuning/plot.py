"""Plots a study: the objective by trial, and by the value of each tuned key."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_marketing.common.files import write_output
from lora_marketing.tuning.journal import TrialRow
from lora_marketing.tuning.objectives import OBJECTIVES
from lora_marketing.tuning.results import best_of, shown_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT = "trials.png"

GREY, BEST, RECIPE = "#8a939c", "#c2410c", "#1d4ed8"


def draw_study(path: Path, rows: Sequence[TrialRow], objective: str, title: str) -> None:
    """Plot all finished trials as a PNG file at `path`.

    Pruned trials are shown only if the objective is the held-out loss, as they have no other figure.
    """
    from matplotlib.figure import Figure

    keys = list(rows[0].settings)
    figure = Figure(figsize=(max(7.0, 2.4 * len(keys)), 5.6), layout="constrained")
    grid = figure.add_gridspec(2, len(keys), height_ratios=[1.25, 1])
    _draw_history(figure.add_subplot(grid[0, :]), rows, objective, title)
    first: Axes | None = None
    for column, key in enumerate(keys):
        axes = figure.add_subplot(grid[1, column], sharey=first)
        first = first or axes
        axes.tick_params(labelleft=axes is first)
        axes.set_ylabel(_axis_label(objective) if axes is first else "")
        _draw_key(axes, rows, objective, key)
    picture = BytesIO()
    figure.savefig(picture, dpi=120)
    write_output(path, picture.getvalue())


def _draw_history(axes: Axes, rows: Sequence[TrialRow], objective: str, title: str) -> None:
    """Plot the objective by trial number, with the best figure so far."""
    from matplotlib.ticker import MaxNLocator

    done = [row for row in rows if row.state == "done"]
    better = min if OBJECTIVES[objective].sign == 1 else max
    running = accumulate((row.figures[objective] for row in done), better)
    axes.step(
        [row.number for row in done], list(running), where="post", color=BEST, lw=1, label="best so far"
    )
    stopped = [row for row in rows if row.state == "pruned" and objective in row.figures]
    if stopped:
        numbers, values = zip(*[(row.number, row.figures[objective]) for row in stopped], strict=True)
        axes.scatter(numbers, values, marker="x", s=24, color=GREY, label="stopped early")
    _scatter(axes, rows, objective, lambda row: row.number, label=True)
    best = best_of(rows, objective)
    figure = shown_figure(objective, best.figures[objective])
    below = OBJECTIVES[objective].sign == 1
    axes.annotate(
        f"best {figure}",
        (best.number, best.figures[objective]),
        (0, -15 if below else 9),
        textcoords="offset points",
        ha="center",
        color=BEST,
    )
    axes.set(title=title, xlabel="trial", ylabel=_axis_label(objective))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    _tidy(axes, objective)
    axes.margins(y=0.18)


def _draw_key(axes: Axes, rows: Sequence[TrialRow], objective: str, key: str) -> None:
    """Plot the objective by the values of one key, on the scale that the key is drawn from."""
    from matplotlib.ticker import LogLocator, NullLocator

    values = [row.settings[key] for row in rows]
    if key == "lora.variant":
        names = sorted(map(str, set(values)))
        _scatter(axes, rows, objective, lambda row: names.index(row.settings[key]))
        axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.5, len(names) - 0.5)
    else:
        _scatter(axes, rows, objective, lambda row: row.settings[key])
        if key in ("lora.rank", "lora.alpha"):
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted(set(values)))
        elif key == "train.learning_rate":
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter("{x:g}")
        axes.margins(x=0.12)
    axes.set_title(key, fontsize=10)
    _tidy(axes, objective)


def _scatter(axes: Axes, rows: Sequence[TrialRow], objective: str, place: Any, label: bool = False) -> None:
    best = best_of(rows, objective)
    others = [row for row in rows if row.state == "done" and row.number and row != best]
    groups = [("trials", GREY, 22, others), ("best", BEST, 60, [best]), ("the recipe", RECIPE, 26, [rows[0]])]
    for name, color, size, group in groups:
        points = [(place(row), row.figures[objective]) for row in group]
        if points:
            x, y = zip(*points, strict=True)
            axes.scatter(x, y, s=size, color=color, label=name if label else None, zorder=3)


def _tidy(axes: Axes, objective: str) -> None:
    if OBJECTIVES[objective].is_share:
        axes.yaxis.set_major_formatter("{x:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e7eb", lw=0.7)
    axes.set_axisbelow(True)


def _axis_label(objective: str) -> str:
    names = {"held_out_loss": "held-out loss", "stop_rate": "stop rate", "voice": "sounds like the brand"}
    return names.get(objective, objective)
