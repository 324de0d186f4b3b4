"""Intervals and comparisons. Briefs are drawn, not texts: variants of a brief belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

from lora_marketing.common.documents import Frozen
from lora_marketing.metrics import Figure
from lora_marketing.metrics._intervals import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 1000
FEWEST = 6
"""Fewer briefs than this show no difference at the 5 % level: see `_smallest_p`."""
UNCORRECTED = "p is two-sided and not corrected for the number of figures."
"""Stands beside every table of comparisons."""
Interval = tuple[float, float]
Sums = Sequence[float]
"""The counts of all texts of one brief, added up."""


class Estimate(Frozen):
    """A figure with its 95 % interval (None: too few briefs to say) and how many briefs it is from."""

    value: float
    interval: Interval | None
    briefs: int


class Difference(Frozen):
    """How much one writer is above another over the briefs that both have.

    `p` is two-sided: how often briefs like these would show so much if there were no difference. Many
    figures compared at once find some small `p` by chance; nothing here corrects for that.
    """

    value: float
    interval: Interval | None
    p: float | None
    briefs: int

    @property
    def told_p(self) -> str:
        """`p` as a table tells it."""
        return "" if self.p is None else "< 0.001" if self.p < 0.001 else f"{self.p:.3f}"


def estimate(figure: Figure, briefs: Sequence[Sums], seed: int, resamples: int = RESAMPLES) -> Estimate:
    """A figure of added counts with the middle 95 % of what briefs drawn with replacement give.

    A share that no draw moves (all passed, or none) has Wilson's interval over the briefs instead: the
    bootstrap would claim to be certain.
    """
    value = figure.value(_sums(briefs))
    drawn = _drawn([briefs], seed, resamples)[0]
    low, high = _middle_95([figure.value(sums) for sums in drawn.tolist()])
    if low < high:
        return Estimate(value=value, interval=(low, high), briefs=len(briefs))
    if figure.unit == "share" and value in (0, 1):
        return Estimate(value=value, interval=wilson(value * len(briefs), len(briefs)), briefs=len(briefs))
    return Estimate(value=value, interval=(low, high) if len(briefs) > 1 else None, briefs=len(briefs))


def difference(
    figure: Figure, ours: Sequence[Sums], theirs: Sequence[Sums], seed: int, resamples: int = RESAMPLES
) -> Difference:
    """`ours` less `theirs`; row by row the same briefs, which are drawn together.

    `p` is the smallest level at which the percentile interval leaves out 0 (Efron and Tibshirani 1993,
    15.4), one draw added on each side so that it is never 0, and never below the sign-flip test's.
    """
    a, b = _drawn([ours, theirs], seed, resamples)
    value = figure.value(_sums(ours)) - figure.value(_sums(theirs))
    gaps = [
        figure.value(one) - figure.value(other) for one, other in zip(a.tolist(), b.tolist(), strict=True)
    ]
    gaps = [number for number in gaps if not isnan(number)]
    if len(ours) < 2:
        return Difference(value=value, interval=None, p=None, briefs=len(ours))
    below, above = sum(number <= 0 for number in gaps), sum(number >= 0 for number in gaps)
    p = max(_smallest_p(len(ours)), min(1.0, 2 * (min(below, above) + 1) / (len(gaps) + 1)))
    return Difference(value=value, interval=_middle_95(gaps), p=p, briefs=len(ours))


def whole_estimate(
    whole: Callable[[Sequence[str]], float], briefs: Sequence[Sequence[str]]
) -> Estimate | None:
    """A figure over all texts, with the jackknife's interval (Efron and Stein 1981): briefs left out in turn.

    Not the bootstrap: a brief drawn twice repeats its own words, and any set would look less diverse.
    None if the figure is no number, as of texts too short for it.
    """
    value = whole(_flat(briefs))
    if isnan(value):
        return None
    error = _jackknife_error([whole(_flat(rest)) for rest in _left_out(briefs)])
    interval = None if error is None else (max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error))
    return Estimate(value=value, interval=interval, briefs=len(briefs))


def whole_difference(
    whole: Callable[[Sequence[str]], float], ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]
) -> Difference | None:
    """`ours` less `theirs` of a figure over all texts; each brief is left out of both.

    None if one of them is no number.
    """
    value = whole(_flat(ours)) - whole(_flat(theirs))
    if isnan(value):
        return None
    pairs = zip(_left_out(ours), _left_out(theirs), strict=True)
    error = _jackknife_error([whole(_flat(a)) - whole(_flat(b)) for a, b in pairs])
    if error is None:
        return Difference(value=value, interval=None, p=None, briefs=len(ours))
    p = 2 * (1 - NormalDist().cdf(abs(value) / error)) if error else float(value == 0)
    interval = (value - 1.96 * error, value + 1.96 * error)
    return Difference(value=value, interval=interval, p=max(_smallest_p(len(ours)), p), briefs=len(ours))


def _smallest_p(briefs: int) -> float:
    """The least p of a two-sided sign-flip test: all briefs differ the same way (Fisher 1935, 21).

    Resampling briefs that agree never shows how few they are.
    """
    return 2.0 ** (1 - briefs)


def _drawn(tables: Sequence[Sequence[Sums]], seed: int, resamples: int) -> list[NDArray[np.float64]]:
    """Sums of counts [resamples, counts] of each table, the same briefs drawn for all of them."""
    import numpy as np

    size = len(tables[0])
    draws = np.random.default_rng(seed).multinomial(size, [1 / size] * size, resamples)
    return [draws.astype(np.float64) @ np.asarray(table, dtype=np.float64) for table in tables]


def _sums(briefs: Sequence[Sums]) -> list[float]:
    return [sum(column) for column in zip(*briefs, strict=True)]


def _middle_95(values: Sequence[float]) -> Interval:
    """Percentiles 2.5 and 97.5 of what is a number; a draw may hold nothing that a figure is taken of."""
    import numpy as np

    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def _left_out(briefs: Sequence[Sequence[str]]) -> list[list[Sequence[str]]]:
    return [[*briefs[:place], *briefs[place + 1 :]] for place in range(len(briefs))]


def _flat(briefs: Sequence[Sequence[str]]) -> list[str]:
    return [text for brief in briefs for text in brief]


def _jackknife_error(values: Sequence[float]) -> float | None:
    """The standard error from values with one brief left out each; None of one brief."""
    count = len(values)
    if count < 2 or any(map(isnan, values)):
        return None
    mean = sum(values) / count
    return sqrt((count - 1) / count * sum((value - mean) ** 2 for value in values))
