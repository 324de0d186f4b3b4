"""Counts the tokens that a micro-batch computes, and selects the micro-batches to plan memory for."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lora_marketing.tokens.prefix_tree import build_tree, lay_out
from lora_marketing.tokens.render import Rendered
from lora_marketing.tokens.rendered_pairs import longest, own_tokens, texts_of

DRAWN = 64
"""The most micro-batches that are drawn at random to estimate a run; more change the figures little."""


@dataclass(frozen=True)
class PlannedBatch:
    """The sizes of one forward and backward, in tokens.

    `rows` counts examples (or pairs), `computed` the tokens that pass the decoder layers, `row_tokens` the
    tokens of the rows without padding and merging, `sources` the tokens that pass the output head. In
    attention, `trunk` tokens attend to each other, and the tokens of each of `bins` bins, padded to `length`,
    attend to the trunk and to their bin (see `tokens.prefix_tree.Layout`).
    """

    rows: int
    computed: int
    row_tokens: int
    sources: int
    trunk: int
    bins: int
    length: int


def as_tree(rows: Sequence[Rendered]) -> PlannedBatch:
    """The sizes of a micro-batch of these rows as a prefix tree, merged as the collator does."""
    tree = build_tree([row.input_ids for row in rows], [row.labels for row in rows])
    layout = lay_out(tree)
    sources = len(set(tree.sources))
    computed = len(tree.tokens)
    return PlannedBatch(
        len(rows), computed, tree.row_tokens, sources, layout.trunk, len(layout.bins), layout.length
    )


def as_padded(rows: Sequence[Rendered]) -> PlannedBatch:
    """The sizes of a micro-batch of these rows, padded to the longest; a preference pair is two rows."""
    width, texts = max(map(longest, rows)), sum(len(texts_of(row)) for row in rows)
    own = sum(map(own_tokens, rows))
    return PlannedBatch(len(rows), texts * width, own, texts * width, 0, texts, width)


def micro_batch(rows: Sequence[Rendered], *, tree: bool) -> PlannedBatch:
    """The sizes of a micro-batch of these rows, as a prefix tree or padded."""
    return as_tree(rows) if tree else as_padded(rows)


def worst(rows: Sequence[Rendered], size: int, *, per_source: float) -> list[Sequence[Rendered]]:
    """The two groups of `size` rows that need the most memory: the longest rows, then the next longest.

    `per_source` is the memory of a completion token's logits divided by that of a token in the layers. The
    second group is missing where there are too few rows.
    """

    def weight(row: Rendered) -> float:
        return longest(row) + per_source * (longest(row) - row.prompt_length)

    ordered = sorted(rows, key=lambda row: (-weight(row), row.id))
    return [ordered[start : start + size] for start in (0, size) if ordered[start : start + size]]


def drawn(rows: Sequence[Rendered], size: int, count: int, seed: int) -> Iterator[Sequence[Rendered]]:
    """Draw `count` groups of rows, at most `DRAWN`, as in shuffled epochs.

    They are not the groups of the run itself, which shuffles with torch.
    """
    chance, left = random.Random(seed), min(count, DRAWN)
    while left > 0:
        order = chance.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), size)[:left]:
            yield [rows[index] for index in order[start : start + size]]
        left -= -(-len(order) // size)
