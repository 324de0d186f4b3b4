"""When a test ends, and the frequentist check beside it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from lora_marketing.abtest.posterior import Beta
from lora_marketing.abtest.proportions import holm, pairwise, z_test
from lora_marketing.abtest.results import VariantCounts
from lora_marketing.abtest.verdict import StoppingRule, is_over, judge


def scaled(results: list[VariantCounts], times: float) -> list[VariantCounts]:
    return [
        VariantCounts(
            one.id, *(round(count * times) for count in (one.impressions, one.clicks, one.conversions))
        )
        for one in results
    ]


CLOSE = [VariantCounts("a", 2000, 40, 4), VariantCounts("b", 2000, 46, 9)]
CLEAR = [VariantCounts("a", 50_000, 1000, 50), VariantCounts("b", 50_000, 1300, 52)]


def test_a_clear_winner() -> None:
    outcome = judge(CLEAR, "ctr", StoppingRule())
    assert outcome.winner is outcome.leader is outcome.standings[1]
    assert (outcome.more, outcome.leader.p) == (0, None)
    assert outcome.standings[0].p == pytest.approx(z_test((1000, 1300), (50_000, 50_000)))
    assert outcome.standings[1].weight == pytest.approx(0.95)
    assert judge(CLEAR, "cvr", StoppingRule()).leader.result.id == "a"


def test_a_forecast_is_when_the_rule_ends_the_test() -> None:
    outcome = judge(CLOSE, "ctr", StoppingRule())
    assert outcome.winner is None
    assert outcome.more is not None
    times = 1 + outcome.more / 4000
    assert is_over(scaled(CLOSE, times * 1.1), "ctr", StoppingRule())  # counts are rounded to whole ones
    assert not is_over(scaled(CLOSE, times * 0.9), "ctr", StoppingRule())


def test_the_least_impressions() -> None:
    few = scaled(CLEAR, 0.01)
    assert judge(few, "ctr", StoppingRule(max_expected_loss=0.1, min_trials=400)).winner
    assert judge(few, "ctr", StoppingRule(max_expected_loss=0.1, min_trials=501)).more == pytest.approx(
        2, abs=10
    )


def test_variants_that_nobody_saw() -> None:
    empty = [VariantCounts("a", 0, 0, 0), VariantCounts("b", 0, 0, 0)]
    outcome = judge(empty, "cvr", StoppingRule(min_trials=0))
    assert [one.best for one in outcome.standings] == pytest.approx([0.5, 0.5])
    assert outcome.more is None
    assert outcome.standings[1].p == 1


def test_the_prior_is_believed_until_there_are_counts() -> None:
    few = [VariantCounts("a", 10, 0, 0), VariantCounts("b", 10, 1, 0)]
    flat, told = (judge(few, "ctr", StoppingRule(prior=prior)) for prior in (Beta(1, 1), Beta(200, 9800)))
    assert flat.leader.best > 0.7 > 0.6 > told.leader.best
    assert told.leader.rate.mean == pytest.approx(0.02, abs=1e-3)


@pytest.mark.parametrize(("a", "b", "n", "m"), [(40, 46, 2000, 2000), (5, 30, 100, 300), (1, 1, 10, 20)])
def test_the_z_test_is_the_chi_squared_test(a: int, b: int, n: int, m: int) -> None:
    table = np.array([[a, n - a], [b, m - b]])
    assert z_test((a, b), (n, m)) == pytest.approx(chi2_contingency(table, correction=False).pvalue)
    assert z_test((0, 0), (n, m)) == z_test((a, 0), (n, 0)) == 1


def test_holm_corrects_as_in_his_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_equal_variants_rarely_differ_for_the_check() -> None:
    """Among four equal variants and six pairs, one false alarm in twenty tests, looked at once."""
    draws = np.random.default_rng(7).binomial(5000, 0.03, (2000, 4))
    alarms = [min(pairwise([int(n) for n in row], [5000] * 4).values()) < 0.05 for row in draws]
    assert 0.02 < float(np.mean(alarms)) < 0.06
