"""Beta-binomial: what is known of each variant's rate, and what it costs to take one of them.

A rate with the prior Beta(a, b) and `s` successes in `n` trials is Beta(a + s, b + n - s). Rates are
independent, so two integrals over one rate give everything, however many variants there are:

    P(i is best)        = integral of f_i(x) * product over j != i of F_j(x)
    expected loss of i  = E[max(max of the others - rate i, 0)]
                        = integral of F_i(x) * (1 - product over j != i of F_j(x))

Both are computed by Gauss-Legendre quadrature between quantiles of all posteriors, where the
integrands are smooth: exact to about 1e-9, without random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

NODES = 24
"""Points of the quadrature between two neighbouring quantiles."""
QUANTILES = (1e-14, 1e-10, 1e-7, 1e-5, 1e-3, 0.02, 0.15, 0.5, 0.85, 0.98, 0.999, 0.99999)
"""And the same from above."""


@dataclass(frozen=True)
class Beta:
    """A Beta distribution of a rate. Beta(1, 1) is flat."""

    a: float
    b: float

    def after(self, successes: float, trials: float) -> Beta:
        """What is known after these trials."""
        return Beta(self.a + successes, self.b + trials - successes)

    @property
    def mean(self) -> float:
        """The expected rate."""
        return self.a / (self.a + self.b)

    def interval(self, mass: float = 0.95) -> tuple[float, float]:
        """The rate is in this interval with probability `mass`, and below or above it equally often."""
        from scipy.special import betaincinv

        low, high = betaincinv(self.a, self.b, [(1 - mass) / 2, (1 + mass) / 2])
        return float(low), float(high)


@dataclass(frozen=True)
class PosteriorComparison:
    """For each variant, in order: the probability to be best and the expected loss, in the rate's unit."""

    best: tuple[float, ...]
    loss: tuple[float, ...]


def compare(posteriors: Sequence[Beta]) -> PosteriorComparison:
    """Hold two or more posteriors against each other."""
    import numpy as np
    from scipy.special import betainc, betaln, xlog1py, xlogy

    a = np.array([one.a for one in posteriors])[:, None]
    b = np.array([one.b for one in posteriors])[:, None]
    points, weights = _quadrature(a, b)
    below = betainc(a, b, points)
    density = np.exp(xlogy(a - 1, points) + xlog1py(b - 1, -points) - betaln(a, b))
    others = np.stack([np.prod(np.delete(below, row, axis=0), axis=0) for row in range(len(posteriors))])
    best = (density * others) @ weights
    loss = (below * (1 - others)) @ weights
    return PosteriorComparison(tuple(map(float, best / best.sum())), tuple(map(float, loss)))


def _quadrature(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Points and weights over [0, 1], close together where the distributions have their mass."""
    import numpy as np
    from scipy.special import betaincinv

    asked = np.array([*QUANTILES, *(1 - np.array(QUANTILES[:5]))])
    edges = np.unique(np.concatenate([[0.0, 1.0], betaincinv(a, b, asked).ravel()]))
    inner, weight = np.polynomial.legendre.leggauss(NODES)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    points = (middle[:, None] + half[:, None] * inner).ravel()
    return points, (half[:, None] * weight).ravel()


def thompson(best: Sequence[float], floor: float = 0.05) -> tuple[float, ...]:
    """Shares of the next round: the probability to be best, but at least `floor` (or an equal share)."""
    low = min(floor, 1 / len(best))
    return tuple(low + (1 - low * len(best)) * share for share in best)
