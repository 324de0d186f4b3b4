"""Choosing the next token of one row, with the row's own settings and random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor

FEW = 512
GREEDY = 1e-5
"""A lower temperature takes the likeliest token: it tells apart what float32's rounding does, and below
7e-46 float32 holds none, so that every token would be as likely, banned ones as well."""


@dataclass(frozen=True)
class Sampling:
    """How one row is written. `temperature` 0 takes the likeliest token each time.

    A row ends before the first of the `stop` strings; an empty one stops nothing.
    """

    seed: int = 13
    temperature: float = 0.7
    top_p: float = 0.9
    max_new_tokens: int = 120
    stop: tuple[str, ...] = ()


class RowSampler:
    """Draws one row's tokens. Its random numbers depend on its seed and on nothing else."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._random = torch.Generator().manual_seed(sampling.seed)

    def choose(self, logits: Tensor) -> int:
        """The next token id from the row's logits (vocabulary,).

        Nucleus sampling (arXiv:1904.09751): the smallest set of likeliest tokens, one at least,
        whose probabilities reach `top_p`, drawn by inverting the cumulative distribution.
        """
        if self.sampling.temperature < GREEDY:
            return int(logits.argmax())
        scores = logits.float().cpu()
        probabilities = torch.softmax((scores - scores.max()) / self.sampling.temperature, dim=-1)
        ordered, ids = _likeliest(probabilities, self.sampling.top_p)
        before = ordered.cumsum(-1) - ordered
        kept = ordered * ((before < self.sampling.top_p) | (before == 0))
        point = torch.rand((), generator=self._random) * kept.sum()
        position = int(torch.searchsorted(kept.cumsum(-1), point, right=True))
        return int(ids[min(position, int((kept > 0).sum()) - 1)])


def _likeliest(probabilities: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """Enough of the likeliest tokens to hold `top_p`, in falling order.

    The nucleus is nearly always small, and finding the largest few is ten times as fast as sorting.
    """
    few = min(FEW, probabilities.numel())
    ordered, ids = probabilities.topk(few)
    if few < probabilities.numel() and float(ordered.sum()) < top_p:
        ordered, ids = probabilities.sort(descending=True, stable=True)
    return ordered, ids


def row_seed(seed: int, *parts: str) -> int:
    """A seed for one row that depends on what is written, not on its place in a batch."""
    text = "\x1f".join((str(seed), *parts))
    return int.from_bytes(sha256(text.encode()).digest()[:8]) >> 1
