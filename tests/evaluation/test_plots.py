"""Plots of intervals: a scale of round numbers that holds every interval, and marks at their values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.evaluation.plots import LABEL, MARGIN, ROW, WIDTH, interval_plot
from lora_marketing.evaluation.statistics import Estimate
from lora_marketing.metrics import Figure

NUMBER, SHARE = Figure("words", "number"), Figure("passed", "share", "more")
LEFT, RIGHT = LABEL, WIDTH - 70


def estimate(value: float, interval: tuple[float, float] | None = None) -> Estimate:
    return Estimate(value=value, interval=interval, briefs=9)


def scale(figure: Figure, *ends: float) -> list[str]:
    """What stands under the ticks of a plot of estimates."""
    return [told for _, told in interval_plot(figure, [("a", True, estimate(end)) for end in ends]).ticks]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0.7, ["0", "0.25", "0.5", "0.75", "1"]),
        (1.0, ["0", "0.25", "0.5", "0.75", "1"]),
        (1.01, ["0", "0.5", "1", "1.5", "2"]),
        (2.0, ["0", "0.5", "1", "1.5", "2"]),
        (3.0, ["0", "1", "2", "3", "4"]),
        (4.5, ["0", "2", "4", "6", "8"]),
        (8.1, ["0", "2.5", "5", "7.5", "10"]),
        (12.0, ["0", "5", "10", "15", "20"]),
        (33.0, ["0", "10", "20", "30", "40"]),
        (41.0, ["0", "20", "40", "60", "80"]),
        (99.0, ["0", "25", "50", "75", "100"]),
        (123.0, ["0", "50", "100", "150", "200"]),
    ],
)
def test_numbers_stand_on_a_scale_that_ends_at_the_next_round_one(highest: float, ticks: list[str]) -> None:
    assert scale(NUMBER, highest) == ticks
    assert scale(NUMBER, 0.1, highest, -3.0) == ticks
    assert [
        told for _, told in interval_plot(NUMBER, [("a", True, estimate(0.1, (0.0, highest)))]).ticks
    ] == ticks


def test_a_share_has_the_whole_scale_however_small_it_is() -> None:
    assert scale(SHARE, 0.02) == ["0%", "25%", "50%", "75%", "100%"]
    assert scale(SHARE) == ["0%", "25%", "50%", "75%", "100%"]


values = st.floats(0, 1e6, allow_nan=False)
estimates = st.tuples(values, values, values).map(
    lambda three: estimate(sorted(three)[1], (min(three), max(three)))
) | values.map(estimate)


@given(st.lists(estimates, min_size=1, max_size=8), st.sampled_from([NUMBER, SHARE]))
def test_marks_stand_where_the_ticks_say(rows: list[Estimate], figure: Figure) -> None:
    """Nothing leaves the axis, places are in proportion to values, and the scale is not needlessly wide."""
    plot = interval_plot(figure, [(str(place), place % 2 == 0, one) for place, one in enumerate(rows)])
    top = float(plot.ticks[-1][1].rstrip("%")) / (100 if figure is SHARE else 1)
    ends = [end for one in rows for end in (one.interval or (one.value,))]
    assert max(ends) <= top <= 2 * max(1, *ends)

    def at(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * value / top

    assert [place for place, _ in plot.ticks] == pytest.approx([at(top * n / 4) for n in range(5)], abs=0.051)
    for place, (one, mark) in enumerate(zip(rows, plot.marks, strict=True)):
        low, high = one.interval or (one.value, one.value)
        assert (mark.low, mark.at, mark.high) == pytest.approx((at(low), at(one.value), at(high)), abs=0.051)
        assert mark.y == MARGIN + ROW * place + ROW // 2
        assert (mark.label, mark.adapter) == (str(place), place % 2 == 0)
    assert plot.height >= plot.marks[-1].y + ROW // 2
    assert (plot.title, plot.better) == (figure.title, figure.better)


def test_an_estimate_without_an_interval_is_a_dot_and_what_lies_below_0_stands_at_0() -> None:
    plot = interval_plot(NUMBER, [("dot", False, estimate(5.0)), ("low", True, estimate(-1.0, (-2.0, 4.0)))])
    dot, low = plot.marks
    assert dot.low == dot.at == dot.high == LEFT + (RIGHT - LEFT) * 5 / 8
    assert (low.low, low.at, low.high) == (LEFT, LEFT, LEFT + (RIGHT - LEFT) / 2)
    assert dot.told == NUMBER.told(5.0)
