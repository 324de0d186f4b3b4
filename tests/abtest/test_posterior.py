"""The quadrature against closed forms, and against random draws."""

from __future__ import annotations

from math import exp, lgamma, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.abtest.posterior import Beta, compare, thompson
from tests.making import property_test


def log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def b_beats_a(a: Beta, b: Beta) -> float:
    """Evan Miller, Formulas for Bayesian A/B Testing (2014), for a whole `b.a`."""
    return sum(
        exp(log_beta(a.a + i, a.b + b.b) - log(b.b + i) - log_beta(1 + i, b.b) - log_beta(a.a, a.b))
        for i in range(int(b.a))
    )


def loss_of_a(a: Beta, b: Beta) -> float:
    """E[max(B - A, 0)] by the same formula: E[B; B > A] is the mean of B times P(Beta(b.a + 1, b.b) > A)."""
    more_b, more_a = Beta(b.a + 1, b.b), Beta(a.a + 1, a.b)
    return b.mean * b_beats_a(a, more_b) - a.mean * b_beats_a(more_a, b)


counts = st.integers(1, 400)
betas = st.builds(Beta, counts, counts)


@property_test
@given(betas, betas)
def test_two_variants_are_as_the_closed_form_says(a: Beta, b: Beta) -> None:
    found = compare([a, b])
    assert found.best[1] == pytest.approx(b_beats_a(a, b), abs=1e-9)
    assert sum(found.best) == pytest.approx(1)
    assert found.loss[0] == pytest.approx(loss_of_a(a, b), abs=1e-9)
    assert found.loss[1] - found.loss[0] == pytest.approx(a.mean - b.mean, abs=1e-9)


@pytest.mark.parametrize("size", [10, 1_000, 100_000, 10_000_000])
def test_large_counts_stay_exact(size: int) -> None:
    low, high = Beta(1, 1).after(0.02 * size, size), Beta(1, 1).after(0.021 * size, size)
    found = compare([low, high])
    assert found.loss[0] - found.loss[1] == pytest.approx(high.mean - low.mean, rel=1e-7)
    assert compare([low, low, low, low]).best == pytest.approx([0.25] * 4, abs=1e-12)


def test_many_variants_are_as_random_draws_say() -> None:
    rates = [Beta(20, 980), Beta(25, 975), Beta(28, 1200), Beta(3, 60), Beta(1, 1000)]
    draws = np.random.default_rng(5).beta([r.a for r in rates], [r.b for r in rates], (400_000, 5))
    wins = (draws.argmax(axis=1)[:, None] == np.arange(5)).mean(axis=0)
    loss = (draws.max(axis=1, keepdims=True) - draws).mean(axis=0)
    found = compare(rates)
    assert found.best == pytest.approx(wins, abs=4e-3)
    assert found.loss == pytest.approx(loss, abs=1e-4)


def test_the_interval_holds_its_share() -> None:
    rate = Beta(1, 1).after(30, 1000)
    low, high = rate.interval()
    draws = np.random.default_rng(5).beta(rate.a, rate.b, 200_000)
    assert (draws < low).mean() == pytest.approx(0.025, abs=2e-3)
    assert (draws > high).mean() == pytest.approx(0.025, abs=2e-3)
    assert Beta(1, 1).interval(0.5) == pytest.approx((0.25, 0.75))


def test_shares_of_the_next_round() -> None:
    assert thompson([0.9, 0.1, 0.0], 0.0) == pytest.approx((0.9, 0.1, 0.0))
    assert thompson([1.0, 0.0], 0.05) == pytest.approx((0.95, 0.05))
    assert thompson([1.0, 0.0, 0.0], 0.9) == pytest.approx([1 / 3] * 3)
    assert sum(thompson([0.7, 0.2, 0.1], 0.05)) == pytest.approx(1)
