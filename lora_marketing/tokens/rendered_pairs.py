"""Preference pairs as tokens. No torch, so that planning counts the very rows that are trained on."""

from __future__ import annotations

from dataclasses import dataclass

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.brands.preference_pairs import PreferencePair
from lora_marketing.tokens.render import ChatTokenizer, Rendered, render_example


@dataclass(frozen=True)
class RenderedPair(Rendered):
    """The chosen row, and beside it the rejected one, which begins with the same prompt."""

    rejected: Rendered


def render_row(row: Example, brand: Brand, base: ChatTokenizer) -> Rendered:
    """Token ids of an example, or of both texts of a pair; each keeps the render contract.

    Raises:
        RenderContractError: see `render_example`.
    """
    if not isinstance(row, PreferencePair):
        return render_example(row, brand, base)
    chosen = render_example(row.as_chosen(), brand, base)
    rejected = render_example(row.as_rejected(), brand, base)
    return RenderedPair(chosen.id, chosen.input_ids, chosen.prompt_length, rejected, place=row.place)


def texts_of(row: Rendered) -> tuple[Rendered, ...]:
    """The rows that a micro-batch computes for `row`: itself, or a pair's two."""
    return (row, row.rejected) if isinstance(row, RenderedPair) else (row,)


def longest(row: Rendered) -> int:
    """Tokens of the row, or of the longer one of a pair."""
    return max(len(text.input_ids) for text in texts_of(row))


def own_tokens(row: Rendered) -> int:
    """Tokens of the row, or of both rows of a pair."""
    return sum(len(text.input_ids) for text in texts_of(row))
