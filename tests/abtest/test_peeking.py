"""What the stop rule guarantees and what it does not, over many simulated tests, looked at every round.

Figures of docs/review.md. `pytest tests/abtest/test_peeking.py -s` prints them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from lora_marketing.abtest.posterior import Beta
from lora_marketing.abtest.proportions import z_test
from lora_marketing.abtest.results import VariantCounts
from lora_marketing.abtest.verdict import StoppingRule, is_over

ROUND, LOOKS, TESTS = 1000, 40, 150
PRIOR = Beta(30, 970)
RULE = StoppingRule(max_expected_loss=0.02, min_trials=1000, prior=PRIOR)


@dataclass(frozen=True)
class Ended:
    """One simulated test: the true rates, which one won (None: not decided), whether p < 0.05 was seen."""

    rates: tuple[float, float]
    winner: int | None
    rejected_ever: bool
    rejected_last: bool

    @property
    def given_away(self) -> float:
        return 0.0 if self.winner is None else max(self.rates) - self.rates[self.winner]


def simulated(rates: list[tuple[float, float]], looks: int, seed: int) -> Iterator[Ended]:
    """Tests of LOOKS rounds in all, looked at `looks` times; a decided one is not looked at again."""
    random = np.random.default_rng(seed)
    for pair in rates:
        clicks = random.binomial(ROUND, pair, (LOOKS, 2)).cumsum(axis=0)
        winner, seen = None, []
        for look in range(LOOKS // looks, LOOKS + 1, LOOKS // looks):
            a, b = (int(count) for count in clicks[look - 1])
            shows = look * ROUND
            seen.append(z_test((a, b), (shows, shows)) < 0.05)
            results = [VariantCounts("a", shows, a, 0), VariantCounts("b", shows, b, 0)]
            if winner is None and is_over(results, "ctr", RULE):
                winner = int(b > a)
        yield Ended(pair, winner, any(seen), seen[-1])


def share(flags: list[bool], what: str) -> float:
    found = float(np.mean(flags))
    sys.stderr.write(f"{what}: {found:.3f}\n")
    return found


@pytest.mark.thorough
def test_rates_of_the_prior_lose_less_than_the_care_however_often_one_looks() -> None:
    drawn = np.random.default_rng(3).beta(PRIOR.a, PRIOR.b, (TESTS * 3, 2))
    ended = list(simulated([(float(a), float(b)) for a, b in drawn], LOOKS, 4))
    decided = [test for test in ended if test.winner is not None]
    assert len(decided) > 0.9 * len(ended)
    lost = float(np.mean([test.given_away / max(test.rates) for test in decided]))
    sys.stderr.write(f"given away on average, of the rate: {lost:.4f}\n")
    assert lost < RULE.max_expected_loss
    assert 0.02 < share([test.given_away > 0 for test in decided], "wrong winners, rates as the prior") < 0.3


def test_equal_variants_get_a_winner_which_costs_nothing() -> None:
    ended = list(simulated([(0.03, 0.03)] * TESTS, LOOKS, 5))
    assert all(test.given_away == 0 for test in ended)
    assert share([test.winner is not None for test in ended], "A/A: a winner is named, 40 looks") > 0.9


@pytest.mark.thorough
def test_looking_often_makes_wrong_winners_more_frequent() -> None:
    pairs = [(0.03, 0.0315)] * TESTS
    often, once = (list(simulated(pairs, looks, 6)) for looks in (LOOKS, 1))
    wrong_often = share([test.winner == 0 for test in often], "A/B, 5 % better: wrong winner, 40 looks")
    wrong_once = share([test.winner == 0 for test in once], "A/B, 5 % better: wrong winner, 1 look")
    assert wrong_once < wrong_often < 0.5
    lost = float(np.mean([test.given_away for test in often if test.winner is not None]))
    assert lost < RULE.max_expected_loss * 0.0315


def test_a_p_value_below_5_percent_is_soon_seen_by_who_looks_often() -> None:
    ended = list(simulated([(0.03, 0.03)] * TESTS, LOOKS, 8))
    once = share([test.rejected_last for test in ended], "A/A: p < 0.05 at the end")
    ever = share([test.rejected_ever for test in ended], "A/A: p < 0.05 at some look")
    assert once == pytest.approx(0.05, abs=0.05)
    assert ever > 0.15
