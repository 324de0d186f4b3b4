"""What a text must keep to while it is written. One file per constraint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor


@dataclass(frozen=True)
class ConstraintVerdict:
    """What a constraint says about the text of a row.

    Its first `keep` characters stand; the tokens of the others are taken back, and the first of
    those is not chosen again at its place. If all stand and the row was about to end, it may not
    end there. With `finish` the row ends after the characters that stand.
    """

    keep: int
    finish: Literal["budget", "stuck"] | None = None


class Constraint(Protocol):
    """A rule over one row's text. What its methods say depends on their arguments alone."""

    def narrow(self, tokens: Sequence[int], logits: Tensor) -> Tensor:
        """(vocabulary,) logits, with -inf where a token may not follow `tokens`. Not in place."""

    def judge(self, text: str, ended: bool) -> ConstraintVerdict | None:
        """Judge a text after a new token, or, if `ended`, before the row ends; None lets it be."""

    def settled(self, text: str, at: int) -> int:
        """How many of the first `at` characters of an unfinished `text` may be shown.

        They stand whatever comes after them, be it the rest of `text` or, if another constraint
        takes that back, something else.
        """
