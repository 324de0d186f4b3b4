"""A brand's banned terms and its competitors' names are never written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lora_marketing.brands.brand import Brand
from lora_marketing.engine.constraints import ConstraintVerdict


@dataclass(frozen=True)
class BannedTerms:
    """Of a finished text, `brand.forbidden_in(text)` is empty.

    A term is seen in the text, so no spelling and no choice of tokens gets around it. The row goes
    back to where the term begins and goes on with another word: blocking the last piece of a
    word would leave the others standing.
    """

    brand: Brand

    def narrow(self, tokens: Sequence[int], logits: Tensor) -> Tensor:
        """Any token may follow: what it spells is judged after it."""
        return logits

    def judge(self, text: str, ended: bool) -> ConstraintVerdict | None:
        """Take back from the beginning of the first forbidden term."""
        start = self.brand.first_forbidden(text, ended)
        return None if start is None else ConstraintVerdict(start)

    def settled(self, text: str, at: int) -> int:
        """All but what may be the beginning of a forbidden term."""
        return self.brand.safe_prefix_length(text[:at])
