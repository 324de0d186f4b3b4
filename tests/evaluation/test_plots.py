"""Interval plots: where a value lies on its axis, and where the axis ends."""

from __future__ import annotations

import pytest

from lora_marketing.evaluation.plots import LABEL, MARGIN, ROW, WIDTH, interval_plot
from lora_marketing.evaluation.statistics import Estimate
from lora_marketing.metrics import Figure

LONG = WIDTH - LABEL - 70
"""The axis in the picture's units."""


def estimate(value: float, low: float | None = None, high: float | None = None) -> Estimate:
    interval = None if low is None or high is None else (low, high)
    return Estimate(value=value, interval=interval, briefs=9)


def test_a_share_is_drawn_between_nothing_and_all() -> None:
    rows = [("base", False, estimate(0.25, 0.0, 0.5)), ("ember", True, estimate(1.0))]
    plot = interval_plot(Figure("guard pass", "share", "more"), rows)
    base, ember = plot.marks
    assert (base.low, base.at, base.high) == (LABEL, LABEL + LONG / 4, LABEL + LONG / 2)
    assert (ember.low, ember.at, ember.high) == (LABEL + LONG,) * 3
    assert (base.label, base.told, base.adapter) == ("base", "25.0%", False)
    assert [mark.y for mark in plot.marks] == [MARGIN + ROW // 2, MARGIN + ROW + ROW // 2]
    assert plot.ticks == [(LABEL + LONG * n / 4, f"{25 * n}%") for n in range(5)]
    assert (plot.title, plot.better, plot.height) == ("guard pass", "more", 2 * MARGIN + 2 * ROW + 12)


@pytest.mark.parametrize(
    ("highest", "top"),
    [
        (0.0, 1),
        (0.9, 1),
        (1.0, 1),
        (1.01, 2),
        (2.0, 2),
        (2.01, 4),
        (4.0, 4),
        (4.01, 8),
        (8.0, 8),
        (8.01, 10),
        (10.0, 10),
        (10.01, 20),
        (80.0, 80),
        (80.01, 100),
        (100.0, 100),
    ],
)
def test_another_figure_ends_at_the_next_round_number_above_its_intervals(highest: float, top: int) -> None:
    rows = [("base", False, estimate(highest / 2, 0.0, highest)), ("ember", True, estimate(highest / 4))]
    plot = interval_plot(Figure("chrF", "points"), rows)
    assert [label for _, label in plot.ticks] == [f"{top * n / 4:g}" for n in range(5)]
    assert plot.marks[0].high == pytest.approx(LABEL + LONG * highest / top, abs=0.051)
    assert plot.marks[1].at == pytest.approx(LABEL + LONG * highest / 4 / top, abs=0.051)


def test_nothing_lies_left_of_the_axis() -> None:
    (mark,) = interval_plot(Figure("n", "number"), [("base", False, estimate(-3.0, -4.0, 2.0))]).marks
    assert (mark.low, mark.at, mark.high) == (LABEL, LABEL, LABEL + LONG)
