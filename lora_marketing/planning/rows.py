"""Tokenises the rows of a recipe for its plan, with the base's tokenizer, or by an estimate without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lora_marketing.bases.locate import folder_here, prompt_settings
from lora_marketing.brands.brand import Brand, Example
from lora_marketing.brands.preference_pairs import PreferencePair
from lora_marketing.data.dataset import Dataset
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.tasks import messages
from lora_marketing.tokens.chat_template import open_chat_tokenizer
from lora_marketing.tokens.render import Rendered
from lora_marketing.tokens.rendered_pairs import RenderedPair, longest, render_row

CHARACTERS_PER_TOKEN = {"zh": 1.4, "ja": 1.4, "ko": 1.6}
"""Rules of thumb for tokenizers that were trained on the language; other languages have OTHERS."""
OTHERS = 4.0
"""Characters per token in all other languages. With SmolLM2's tokenizer this counts Ember's English rows 10 %
too low and Lumen's 3 % too high."""
FRAME = 8
"""Rough number of tokens that a chat template puts around one turn."""


@dataclass(frozen=True)
class TokenizedRows:
    """Both splits as token ids.

    `estimated` is True if tokens were estimated, as the tokenizer is not on this machine; `overlong` is the
    number of rows that were left out because they are longer than `data.max_length`.
    """

    train: Sequence[Rendered]
    validation: Sequence[Rendered]
    estimated: bool = False
    overlong: int = 0


def plan_rows(loaded: LoadedRecipe, data: Dataset) -> TokenizedRows:
    """Render every row if the base's tokenizer is on this machine, else estimate its tokens.

    Rows longer than `data.max_length` tokens are counted and left out.

    Raises:
        RenderContractError: the base's chat template breaks the render contract.
    """
    section, brand = loaded.recipe.base, loaded.brand
    folder = folder_here(section)
    tokenizer = open_chat_tokenizer(folder, prompt_settings(section)) if folder else None
    if tokenizer is None:
        train, held_out = ([estimated(row, brand) for row in rows] for rows in (data.train, data.validation))
    else:
        train, held_out = (
            [render_row(row, brand, tokenizer) for row in rows] for rows in (data.train, data.validation)
        )
    limit = loaded.recipe.data.max_length
    kept = [row for row in train if longest(row) <= limit]
    kept_out = [row for row in held_out if longest(row) <= limit]
    overlong = len(train) + len(held_out) - len(kept) - len(kept_out)
    return TokenizedRows(kept, kept_out, tokenizer is None, overlong)


def estimated(example: Example, brand: Brand) -> Rendered:
    """Estimate a row's tokens: every few characters become one made-up id, and equal prefixes stay equal."""
    if isinstance(example, PreferencePair):
        chosen, rejected = (estimated(row, brand) for row in (example.as_chosen(), example.as_rejected()))
        return RenderedPair(chosen.id, chosen.input_ids, chosen.prompt_length, rejected, place=example.place)
    size = CHARACTERS_PER_TOKEN.get(brand.language, OTHERS)
    chat = messages(example.brief(), brand)
    prompt = [token for turn in chat for token in (*range(-FRAME, 0), *_tokens(turn["content"], size))]
    answer = [*_tokens(example.text, size), -1]
    ids = (*prompt, *range(-FRAME, 0), *answer)
    return Rendered(example.id, ids, len(prompt) + FRAME, place=example.place)


def _tokens(text: str, size: float) -> list[int]:
    """One id for every `size` characters; equal for equal characters within one process."""
    starts = [round(number * size) for number in range(max(1, round(len(text) / size)))]
    return [hash(text[start:end]) for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
