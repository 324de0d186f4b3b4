"""Everyday questions: checked ones with a right answer, and open ones. None is about marketing."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from lora_marketing.brands.brand import Text
from lora_marketing.common.documents import Frozen, packaged_document, validated

Language = Literal["en", "zh"]


class Question(Frozen):
    """A question with one right answer among wrong ones."""

    ask: Text
    right: Text
    wrong: Annotated[list[Text], Field(min_length=1)]

    @property
    def answers(self) -> list[str]:
        """The right answer first."""
        return [self.right, *self.wrong]


class Everyday(Frozen):
    """All questions, by language."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    checked: dict[Language, list[Question]]
    open: dict[Language, list[Text]]


@cache
def load_everyday() -> Everyday:
    """The questions that come with the kit."""
    document = packaged_document(__package__, "everyday.yaml")
    return validated(Everyday, document.value, document.places)
