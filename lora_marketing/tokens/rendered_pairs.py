"""Renders preference pairs to token ids, without torch, so that planning can count the rows of a run."""

from __future__ import annotations

from dataclasses import dataclass

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.brands.preference_pairs import PreferencePair
from lora_marketing.tokens.render import ChatTokenizer, Rendered, render_example


@dataclass(frozen=True)
class RenderedPair(Rendered):
    """A rendered preference pair: the chosen row itself, and the `rejected` row with the same prompt."""

    rejected: Rendered


def render_row(row: Example, brand: Brand, base: ChatTokenizer) -> Rendered:
    """Token ids of an example, or of both texts of a preference pair.

    Raises:
        RenderContractError: a text breaks the render contract (see `render_example`).
    """
    if not isinstance(row, PreferencePair):
        return render_example(row, brand, base)
    chosen = render_example(row.as_chosen(), brand, base)
    rejected = render_example(row.as_rejected(), brand, base)
    return RenderedPair(chosen.id, chosen.input_ids, chosen.prompt_length, rejected, place=row.place)


def texts_of(row: Rendered) -> tuple[Rendered, ...]:
    """The rows that a micro-batch computes for `row`: the row itself, or both rows of a pair."""
    return (row, row.rejected) if isinstance(row, RenderedPair) else (row,)


def longest(row: Rendered) -> int:
    """Number of tokens in the row, or in the longer row of a pair."""
    return max(len(text.input_ids) for text in texts_of(row))


def own_tokens(row: Rendered) -> int:
    """Number of tokens in the row, or in both rows of a pair."""
    return sum(len(text.input_ids) for text in texts_of(row))
