"""Preference pairs: for one brief, the text that a person chose and one that was rejected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from lora_marketing.brands.brand import Example, RowText
from lora_marketing.common.errors import Problem


class PreferencePair(Example):
    """A brief with two texts. The chosen one is its `text`, so a pair is a row whose answer was preferred."""

    text: Annotated[RowText, Field(alias="chosen")]
    rejected: RowText

    def as_chosen(self) -> Example:
        """The chosen text as a row to imitate."""
        return Example(**self.model_dump(exclude={"rejected"})).placed(self.place)

    def as_rejected(self) -> Example:
        """The rejected text, as the row that it would have been."""
        return self.as_chosen().model_copy(update={"text": self.rejected})


def pair_problems(pair: PreferencePair, place: str) -> Iterator[Problem]:
    """A pair that prefers nothing: its texts differ in spaces at most."""
    if pair.text.split() == pair.rejected.split():
        fix = "take the pair out, or give the text that was rejected"
        yield Problem("chosen equals rejected", place, got=pair.text[:60], fix=fix)
