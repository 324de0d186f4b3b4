"""An evaluation as tables on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lora_marketing.common.console import plain_text, rich_stdout
from lora_marketing.common.printable import visible_line

if TYPE_CHECKING:
    from rich.console import Console

    from lora_marketing.evaluation import Evaluation
    from lora_marketing.evaluation.statistics import Estimate
    from lora_marketing.metrics import Figure


def show_evaluation(evaluation: Evaluation) -> None:
    """Print figures, comparisons and what a judge preferred on stdout."""
    console = rich_stdout()
    _show_voices(console, evaluation)
    _show_figures(console, evaluation)
    _show_comparisons(console, evaluation)
    for preference in evaluation.preferences:
        unreadable = preference.unreadable
        console.print(
            plain_text(
                f"{preference.judge} as judge: {preference.writer} as {preference.brand}"
                f" won {preference.won},"
                f" lost {preference.lost}, tied {preference.tied} against {preference.against};"
                f" both orders agree on {preference.agreement:.0%}"
                + (f"; {unreadable} without a readable answer" if unreadable else ""),
                one_line=True,
            )
        )


def _show_voices(console: Console, evaluation: Evaluation) -> None:
    """The classifier's own accuracy, then how it names each writer's texts."""
    from rich.markup import escape
    from rich.table import Table

    held = evaluation.held_out
    if held:
        brands = escape(visible_line(", ".join(held.by_brand)))
        console.print(
            f"Voice classifier on held-out real texts, topic words masked:"
            f" {held.accuracy:.1%} right [dim](95 % interval {held.interval[0]:.1%} to"
            f" {held.interval[1]:.1%}, {held.texts} texts of {brands})[/dim]"
        )
    table = Table("written by", "as brand", "texts", "named right", "95 % interval", "stopped", box=None)
    for scores in evaluation.writers:
        voice, stopped = scores.figures.get("voice"), scores.figures.get("stop_rate")
        interval = f"{voice.interval[0]:.0%} to {voice.interval[1]:.0%}" if voice and voice.interval else ""
        shares = [f"{share.value:.0%}" if share else "" for share in (voice, stopped)]
        names = [plain_text(name, one_line=True) for name in (scores.writer, scores.brand)]
        table.add_row(*names, str(scores.texts), shares[0], interval, shares[1])
    console.print(table)


def _show_figures(console: Console, evaluation: Evaluation) -> None:
    """One row per figure, one column per writer and brand."""
    from rich.table import Table

    from lora_marketing.metrics import all_figures

    table = Table("95 % intervals by brief", box=None, title_justify="left")
    for scores in evaluation.writers:
        table.add_column(plain_text(f"{scores.writer}\nas {scores.brand}"), justify="right")
    for name, figure in all_figures().items():
        estimates = [scores.figures.get(name) for scores in evaluation.writers]
        if any(estimates):
            table.add_row(figure.title, *(_cell(figure, estimate) for estimate in estimates))
    console.print()
    console.print(table)


def _cell(figure: Figure, estimate: Estimate | None) -> str:
    if estimate is None or estimate.interval is None:
        return "" if estimate is None else figure.told(estimate.value)
    low, high = map(figure.told, estimate.interval)
    return f"{figure.told(estimate.value)} [dim]{low}–{high}[/dim]"


def _show_comparisons(console: Console, evaluation: Evaluation) -> None:
    from rich.table import Table

    from lora_marketing.evaluation.comparing import better
    from lora_marketing.evaluation.statistics import UNCORRECTED
    from lora_marketing.metrics import all_figures

    if not evaluation.comparisons:
        return
    table = Table("brand", "written by", "less", "figure", box=None)
    for title in ("difference", "95 % interval", "p", "briefs"):
        table.add_column(title, justify="right")
    table.add_column("")
    words = {True: "[green]better[/green]", False: "[red]worse[/red]", None: ""}
    for comparison in evaluation.comparisons:
        figure, gap = all_figures()[comparison.figure], comparison.difference
        interval = " to ".join(map(figure.told, gap.interval or ()))
        names = (comparison.brand, comparison.writer, comparison.against)
        who = [plain_text(name, one_line=True) for name in names]
        numbers = (figure.told(gap.value), interval, gap.told_p, str(gap.briefs))
        table.add_row(*who, figure.title, *numbers, words[better(figure, gap)])
    console.print()
    console.print(table)
    console.print(UNCORRECTED)
