"""What a brand may claim: each claim with its evidence, its markets, its last day and its disclaimer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from lora_marketing.common.documents import Frozen
from lora_marketing.text.normalise import as_written

Market = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""A country where a text is published, ISO 3166-1: `GB`, `US`, `CN`."""
Wording = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True), AfterValidator(as_written)]


class Claim(Frozen):
    """One permitted claim. A text that says one of `says` in one of `markets` is not objected to for it.

    Args:
        id: how findings name it.
        says: wordings of the claim, as they stand in a text.
        evidence: what proves it: a study, a certificate, a receipt.
        kind: what is proved; a claim about health asks for trials on people (FTC, 2022).
        markets: where it may be said; everywhere if empty.
        expires: the last day (ISO 8601) on which it may be said; never if None.
        disclaimer: what has to stand in the same text.
    """

    id: Wording
    says: Annotated[list[Wording], Field(min_length=1)]
    evidence: Wording
    kind: Literal["fact", "comparison", "superlative", "health", "price", "award"] = "fact"
    markets: list[Market] = []
    expires: str | None = None
    disclaimer: Wording | None = None

    @field_validator("expires")
    @classmethod
    def _is_a_day(cls, text: str | None) -> str | None:
        if text is not None:
            date.fromisoformat(text)
        return text

    def holds_in(self, markets: Sequence[str], today: date) -> bool:
        """Whether it may be said in all of `markets` on that day."""
        in_time = self.expires is None or today <= date.fromisoformat(self.expires)
        return in_time and (not self.markets or set(markets) <= set(self.markets))


class Claims(Frozen):
    """A claims file."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    claims: list[Claim]
