"""Whether a test may end, who won, how many more impressions it wants, and how to share them out.

The rule: end when taking the best variant is expected to cost less than `max_expected_loss` of its
rate, and every variant had `min_trials` impressions. What that guarantees: if true rates are spread as
the prior says, the rate given away by ending now is below it on average, however often one looks. What
it does not: that the winner is the best one. Between equal variants the rule always names a winner in the
end, which costs nothing; between nearly equal ones it is often the wrong one, which costs little;
and looking often makes wrong winners more frequent (tests/abtest/test_peeking.py measures it). The
p-values of the frequentist check hold for one look, planned beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lora_marketing.abtest.posterior import Beta, PosteriorComparison, compare, thompson
from lora_marketing.abtest.proportions import pairwise
from lora_marketing.abtest.results import RateName, VariantCounts
from lora_marketing.common.errors import DataError, Problem

FLAT = Beta(1, 1)
LONGEST = 1000
"""How many times as long as until now a forecast looks ahead."""


@dataclass(frozen=True)
class StoppingRule:
    """When a test ends.

    Args:
        max_expected_loss: the leader's expected loss, as a share of its rate, below which a test ends.
        min_trials: impressions that every variant must have had.
        prior: what is known of rates beforehand.
        floor: least share of a variant in the next round.
    """

    max_expected_loss: float = 0.01
    min_trials: int = 1000
    prior: Beta = FLAT
    floor: float = 0.05


@dataclass(frozen=True)
class Standing:
    """One variant in the test. `p` is the corrected p of its difference from the leader (None: it leads)."""

    result: VariantCounts
    rate: Beta
    best: float
    loss: float
    weight: float
    p: float | None


@dataclass(frozen=True)
class AbTestOutcome:
    """The test as it stands.

    `more` is about how many more impressions, over all variants, it takes until the rule ends the test
    if rates stay as they are: 0 if it is over, None if they would be more than a thousand times as many.
    """

    metric: RateName
    standings: Sequence[Standing]
    leader: Standing
    more: int | None

    @property
    def winner(self) -> Standing | None:
        """The leader if the test is over."""
        return self.leader if self.more == 0 else None


def judge(results: Sequence[VariantCounts], metric: RateName, rule: StoppingRule) -> AbTestOutcome:
    """Judge two or more variants by their click rate (ctr) or their conversions per click (cvr).

    Raises:
        DataError: conversions per click are no rate, since a platform counted several of one click.
    """
    many = [result for result in results if result.successes(metric) > result.trials(metric)]
    if many:
        got = ", ".join(f"{one.id}: {one.successes(metric):g} of {one.trials(metric)} clicks" for one in many)
        fix = "export conversions counted once a click, or compare clicks: --metric ctr"
        raise DataError(Problem("more conversions than clicks are no rate", got=got, fix=fix))
    rates = _posteriors(results, metric, rule, 1)
    compared = compare(rates)
    weights = thompson(compared.best, rule.floor)
    lead = _lead(compared)
    tested = pairwise(
        [counts.successes(metric) for counts in results], [counts.trials(metric) for counts in results]
    )
    standings = [
        Standing(
            result,
            rates[place],
            compared.best[place],
            compared.loss[place],
            weights[place],
            None if place == lead else tested[min(place, lead), max(place, lead)],
        )
        for place, result in enumerate(results)
    ]
    return AbTestOutcome(metric, standings, standings[lead], _more(results, metric, rule))


def is_over(results: Sequence[VariantCounts], metric: RateName, rule: StoppingRule, times: float = 1) -> bool:
    """Whether the rule ends the test, were all counts `times` what they are."""
    if min(result.impressions for result in results) * times < rule.min_trials:
        return False
    rates = _posteriors(results, metric, rule, times)
    compared = compare(rates)
    lead = _lead(compared)
    return compared.loss[lead] < rule.max_expected_loss * rates[lead].mean


def _lead(compared: PosteriorComparison) -> int:
    return min(range(len(compared.loss)), key=compared.loss.__getitem__)


def _posteriors(
    results: Sequence[VariantCounts], metric: RateName, rule: StoppingRule, times: float
) -> list[Beta]:
    return [
        rule.prior.after(result.successes(metric) * times, result.trials(metric) * times)
        for result in results
    ]


def _more(results: Sequence[VariantCounts], metric: RateName, rule: StoppingRule) -> int | None:
    """Bisection on how many times as long the test has to run, to 1 %."""
    if is_over(results, metric, rule):
        return 0
    low, high = 1.0, 2.0
    while not is_over(results, metric, rule, high):
        low, high = high, high * 2
        if low > LONGEST:
            return None
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if is_over(results, metric, rule, middle) else (middle, high)
    return round((high - 1) * sum(result.impressions for result in results))
