"""Small pictures for the report, as SVG that takes the page's colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lora_marketing.evaluation.statistics import Estimate
from lora_marketing.metrics import Figure

WIDTH, ROW, LABEL, MARGIN = 640, 30, 210, 16


@dataclass(frozen=True)
class Mark:
    """One row of an interval plot, in the picture's own units."""

    label: str
    told: str
    y: int
    at: float
    low: float
    high: float
    adapter: bool


@dataclass(frozen=True)
class IntervalPlot:
    """A dot with its interval for each writer, on one scale."""

    title: str
    better: str | None
    height: int
    ticks: Sequence[tuple[float, str]]
    marks: Sequence[Mark]


def interval_plot(figure: Figure, rows: Sequence[tuple[str, bool, Estimate]]) -> IntervalPlot:
    """Shares go from 0 to 1; other figures from 0 to the next round number above all intervals.

    Args:
        figure: what is drawn.
        rows: label, whether an adapter wrote it, and the estimate.
    """
    top = 1.0 if figure.unit == "share" else 0.0
    top = _round_above(
        max([top, *(end for _, _, estimate in rows for end in (estimate.interval or (estimate.value,)))])
    )

    def across(value: float) -> float:
        return round(LABEL + (WIDTH - LABEL - 70) * max(0.0, value) / top, 1)

    marks = []
    for place, (label, adapter, estimate) in enumerate(rows):
        low, high = estimate.interval or (estimate.value, estimate.value)
        y, told = MARGIN + ROW * place + ROW // 2, figure.told(estimate.value)
        marks.append(Mark(label, told, y, across(estimate.value), across(low), across(high), adapter))
    ticks = [(across(top * part / 4), _tick(figure, top * part / 4)) for part in range(5)]
    return IntervalPlot(figure.title, figure.better, 2 * MARGIN + ROW * len(rows) + 12, ticks, marks)


def _tick(figure: Figure, value: float) -> str:
    return f"{value:.0%}" if figure.unit == "share" else f"{value:g}"


def _round_above(value: float) -> float:
    """The least of 1, 2, 4, 8, 10, 20, 40, ... that is not below `value`."""
    scale = 1.0
    while True:
        for step in (1, 2, 4, 8):
            if value <= step * scale:
                return step * scale
        scale *= 10
