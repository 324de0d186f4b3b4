"""Whether two ways to compute the same numbers differ by rounding only, on whatever CPU.

A float32 sum of n products depends on the order of adding, and every CPU has an order of its own: two
orders differ by at most n roundings of the sum of magnitudes, and mostly by about the root of n of them.
"""

from __future__ import annotations

from torch import Tensor

LONGEST_SUM = 128
"""Products in the longest sum of a tiny base's layers. Through a whole tiny model, other orders of adding
moved logits and gradients by 20 roundings of the largest; an adapter scaled by 1.001 is told apart."""


def rounding(terms: int = LONGEST_SUM) -> float:
    """How far sums of `terms` float32 products may be apart, relative to the largest of them."""
    return terms * 2.0**-23  # the distance between 1 and the next float32


def close(
    found: Tensor, wanted: Tensor, name: str = "", *, terms: int = LONGEST_SUM, size: float | None = None
) -> None:
    """Assert that two tensors of one shape are apart by rounding only.

    Args:
        found: as the kit computes it.
        wanted: as it is computed otherwise.
        name: what they are.
        terms: products in the longest sum on the way.
        size: the largest of the numbers that were added, if the largest of `wanted` is not like it.
    """
    assert found.shape == wanted.shape, name
    largest = float(wanted.abs().max()) if size is None else size
    apart = float((found - wanted).abs().max())
    assert apart <= rounding(terms) * largest, (name, apart, largest)  # not true of NaN either
