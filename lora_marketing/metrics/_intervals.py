"""The confidence interval of a share."""

from __future__ import annotations

from math import sqrt


def wilson(right: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval (1927) for the share `right / n`, 95 % by default; it holds near 0 and 1, too."""
    share, spread = right / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
