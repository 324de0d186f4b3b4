"""A brand's banned terms and its competitors' names are never written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lora_marketing.brands.brand import Brand
from lora_marketing.engine.constraints import ConstraintVerdict

MOST_BEFORE = 200
"""Letters before a text that are looked at: no term is longer."""


@dataclass(frozen=True)
class BannedTerms:
    """Of a finished text, `brand.forbidden_in(text)` is empty.

    A term is seen in the text, so no spelling and no choice of tokens gets around it. The row goes
    back to where the term begins and goes on with another word: blocking the last piece of a
    word would leave the others standing.

    `before` stands before the text: a term that begins there is not ended in the text.
    """

    brand: Brand
    before: str = ""

    @classmethod
    def going_on(cls, brand: Brand, prompt: str) -> BannedTerms:
        """For a text that goes on with `prompt`, at whose end a term may have begun (`a mir`, `acle`)."""
        end = prompt[-MOST_BEFORE:]
        begun = end[brand.safe_prefix_length(end) :]
        # a term that the prompt itself says whole is none that the text could leave out
        return cls(brand, "" if brand.forbidden_in(begun) else begun)

    def narrow(self, tokens: Sequence[int], logits: Tensor) -> Tensor:
        """Any token may follow: what it spells is judged after it."""
        return logits

    def judge(self, text: str, ended: bool) -> ConstraintVerdict | None:
        """Take back from the beginning of the first forbidden term."""
        start = self.brand.first_forbidden(self.before + text, ended)
        return None if start is None else ConstraintVerdict(max(0, start - len(self.before)))

    def settled(self, text: str, at: int) -> int:
        """All but what may be the beginning of a forbidden term."""
        return max(0, self.brand.safe_prefix_length(self.before + text[:at]) - len(self.before))
