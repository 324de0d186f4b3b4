"""Intervals hold what they say, and differences are found only where there are some."""

from __future__ import annotations

import random
from collections.abc import Sequence
from math import nan, sqrt
from statistics import NormalDist, fmean, stdev

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from lora_marketing.evaluation.comparing import better
from lora_marketing.evaluation.statistics import (
    Difference,
    difference,
    estimate,
    whole_difference,
    whole_estimate,
)
from lora_marketing.metrics import Figure, all_figures
from lora_marketing.metrics._intervals import wilson

SHARE = Figure("a share", "share", "more")


def drawn(source: random.Random, briefs: int, spread: float = 0.25) -> list[list[float]]:
    """Counts of 1 to 3 texts a brief; texts of a brief are alike, 0.6 of all texts pass."""
    found = []
    for _ in range(briefs):
        own = 0.6 + source.choice([-spread, spread])
        size = source.randint(1, 3)
        found.append([float(sum(source.random() < own for _ in range(size))), float(size)])
    return found


def test_an_interval_holds_the_truth_about_95_times_of_100() -> None:
    source = random.Random(13)
    held = 0
    for seed in range(300):
        low, high = estimate(SHARE, drawn(source, 50), seed, resamples=300).interval or (1, 0)
        held += low <= 0.6 <= high
    assert 0.91 <= held / 300 <= 0.98


def test_a_difference_that_is_none_is_found_about_5_times_of_100() -> None:
    source = random.Random(13)
    found = [
        difference(SHARE, drawn(source, 50), drawn(source, 50), seed, resamples=300).p or 0
        for seed in range(300)
    ]
    assert 0.02 <= sum(p < 0.05 for p in found) / 300 <= 0.09


def test_the_interval_is_scipys() -> None:
    briefs = drawn(random.Random(1), 60)
    ours = estimate(SHARE, briefs, 13, resamples=9000).interval
    table = np.array(briefs)
    theirs = bootstrap(
        (table[:, 0], table[:, 1]),
        lambda passed, texts, axis: passed.sum(axis=axis) / texts.sum(axis=axis),
        n_resamples=9000,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.006)


def test_the_same_seed_draws_the_same_briefs() -> None:
    briefs = drawn(random.Random(1), 20)
    assert estimate(SHARE, briefs, 7) == estimate(SHARE, briefs, 7)
    assert estimate(SHARE, briefs, 7) != estimate(SHARE, briefs, 8)


def test_pairs_are_drawn_together() -> None:
    """A constant gain on very different briefs is certain, however wide each interval is."""
    theirs = [[float(number), 1.0] for number in range(40)]
    ours = [[value + 1, 1.0] for value, _ in theirs]
    found = difference(Figure("a mean", "number", "more"), ours, theirs, 13)
    assert (found.value, found.interval, found.briefs) == (1, (1, 1), 40)
    assert found.p is not None
    assert found.p < 0.01
    assert difference(SHARE, ours, ours, 13).p == 1


def test_a_share_that_no_draw_moves_is_not_certain() -> None:
    found = estimate(SHARE, [[2.0, 2.0]] * 20, 13)
    assert found.value == 1
    assert found.interval == wilson(20, 20)
    assert found.interval is not None
    assert found.interval[0] < 0.9


def test_one_brief_says_nothing_of_others() -> None:
    number = Figure("a mean", "number")
    assert estimate(number, [[3.0, 1.0]], 13).interval is None
    assert difference(number, [[3.0, 1.0]], [[1.0, 1.0]], 13).p is None


@pytest.mark.parametrize(("briefs", "told"), [(2, None), (5, None), (6, True), (30, True)])
def test_few_briefs_that_agree_are_told_no_difference(briefs: int, told: bool | None) -> None:
    """A sign-flip test of n briefs cannot go below 2 / 2 ** n: it takes six to get below 5 %."""
    mean, whole = Figure("a mean", "number", "more"), lambda texts: float(len(texts[0]))
    counted = difference(mean, [[2.0, 1.0]] * briefs, [[1.0, 1.0]] * briefs, 13)
    read = whole_difference(whole, [["ab"]] * briefs, [["a"]] * briefs)
    assert read is not None
    for found in (counted, read):
        assert found.value == 1
        assert found.p is not None
        assert found.p >= 2 ** (1 - briefs) > 0
        assert better(mean, found) is told
    old = Difference(value=1, interval=(1, 1), p=0.002, briefs=5)
    assert better(mean, old) is None


def mean_length(texts: Sequence[str]) -> float:
    """A figure over all texts of which the standard error is known: a tenth of their mean length."""
    return fmean(map(len, texts)) / 10 if texts else nan


def spread(of: Sequence[float]) -> float:
    return 1.96 * stdev(of) / sqrt(len(of))


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    source = random.Random(5)
    ours, theirs = ([[source.choice(["a", "b", "cc", "ddd", "eeee"])] for _ in range(40)] for _ in range(2))
    found, gap = whole_estimate(mean_length, ours), whole_difference(mean_length, ours, theirs)
    assert found is not None
    assert gap is not None
    lengths = [len(text) / 10 for (text,) in ours]
    gaps = [mine - len(other) / 10 for mine, (other,) in zip(lengths, theirs, strict=True)]
    for measured, values in ((found, lengths), (gap, gaps)):
        mean, reach = fmean(values), spread(values)
        assert measured.briefs == 40
        assert measured.value == pytest.approx(mean)
        assert measured.interval == pytest.approx((mean - reach, mean + reach))
    two_sided = 2 * (1 - NormalDist().cdf(abs(fmean(gaps)) / (spread(gaps) / 1.96)))
    assert gap.p == pytest.approx(two_sided)
    assert 0.001 < two_sided < 0.999


def test_the_jackknife_is_as_wide_as_figures_of_other_briefs_are_apart() -> None:
    """Mean lengths of texts, several to a brief and alike there, so that a brief counts and not a text."""
    source, held, values, widths = random.Random(13), 0, [], []
    for _ in range(400):
        kinds = [source.choice((2, 6)) for _ in range(30)]
        briefs = [["x" * (kind + source.choice((0, 1))) for _ in range(3)] for kind in kinds]
        found = whole_estimate(mean_length, briefs)
        assert found is not None
        assert found.interval is not None
        low, high = found.interval
        held += low <= 0.45 <= high
        values.append(found.value)
        widths.append((high - low) / 2)
    assert 0.91 <= held / 400 <= 0.97
    assert fmean(widths) == pytest.approx(1.96 * stdev(values), rel=0.1)


def test_an_interval_of_a_share_of_all_texts_stays_between_0_and_1() -> None:
    briefs = [["x" * (10 if number else 1)] for number in range(4)]
    found, gap = whole_estimate(mean_length, briefs), whole_difference(mean_length, briefs, briefs[::-1])
    assert found is not None
    assert found.interval is not None
    assert 0 < found.interval[0] < found.interval[1] == 1
    least = whole_estimate(mean_length, [["x" * (5 if number == 3 else 0)] for number in range(4)])
    assert least is not None
    assert least.interval is not None
    assert 0 == least.interval[0] < least.interval[1] < 1
    assert gap is not None
    assert gap.interval is not None
    assert gap.interval[0] < 0 < gap.interval[1]
    one = whole_difference(mean_length, briefs[:1], briefs[1:2])
    assert one is not None
    assert (one.value, one.interval, one.p, one.briefs) == (pytest.approx(-0.9), None, None, 1)
    assert whole_estimate(lambda texts: float("nan"), briefs) is None
    assert whole_difference(lambda texts: float("nan"), briefs, briefs) is None


@pytest.mark.parametrize(("right", "size"), [(0, 1), (0, 20), (1, 3), (13, 20), (20, 20), (470, 500)])
def test_wilsons_interval_is_scipys(right: int, size: int) -> None:
    theirs = binomtest(right, size).proportion_ci(method="wilson")
    assert wilson(right, size) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_variety_is_not_said_to_be_less_than_it_is() -> None:
    """Briefs drawn twice would repeat their words; the interval lies around the figure all the same."""
    whole = all_figures()["distinct_1"].whole
    assert whole
    source = random.Random(2)
    vocabulary = [f"w{number}" for number in range(300)]
    ours = [[" ".join(source.choices(vocabulary, k=12))] for _ in range(40)]
    found = whole_estimate(whole, ours)
    assert found is not None
    assert found.interval is not None
    assert found.interval[0] < found.value < found.interval[1]
    same = whole_difference(whole, ours, ours)
    assert same is not None
    assert (same.value, same.p) == (0, 1)
    dull = [["one two three four five six one two three four five six"] for _ in ours]
    less = whole_difference(whole, dull, ours)
    assert less is not None
    assert less.value < 0
    assert less.p is not None
    assert less.p < 0.001
