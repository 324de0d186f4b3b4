"""The frequentist check: two-proportion z-tests of all pairs, with Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import erfc, sqrt


def z_test(successes: tuple[float, float], trials: tuple[int, int]) -> float:
    """Two-sided p of equal rates, by the pooled two-proportion z-test. 1 where nothing can be told.

    The normal approximation wants some five successes and failures in each.
    """
    if not all(trials):
        return 1.0
    pooled = sum(successes) / sum(trials)
    deviation = sqrt(pooled * (1 - pooled) * (1 / trials[0] + 1 / trials[1]))
    if not deviation:
        return 1.0
    return erfc(abs(successes[0] / trials[0] - successes[1] / trials[1]) / deviation / sqrt(2))


def holm(values: Sequence[float]) -> list[float]:
    """p-values, corrected so that one false alarm among all of them is as rare as each says (Holm, 1979)."""
    adjusted, reached = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        reached = max(reached, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = reached
    return adjusted


def pairwise(successes: Sequence[float], trials: Sequence[int]) -> Mapping[tuple[int, int], float]:
    """Corrected p of each pair of variants, by their places.

    All pairs count, since which variant leads is seen only afterwards.
    """
    pairs = list(combinations(range(len(trials)), 2))
    values = [z_test((successes[i], successes[j]), (trials[i], trials[j])) for i, j in pairs]
    return dict(zip(pairs, holm(values), strict=True))
