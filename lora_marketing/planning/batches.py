"""What one micro-batch computes: as a prefix tree, or padded; and which micro-batches are the worst."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lora_marketing.tokens.prefix_tree import build_tree, lay_out
from lora_marketing.tokens.render import Rendered
from lora_marketing.tokens.rendered_pairs import longest, own_tokens, texts_of

DRAWN = 64
"""Micro-batches drawn at random to learn what a run will meet; more change the figures little."""


@dataclass(frozen=True)
class PlannedBatch:
    """One forward and backward. Sizes in tokens.

    `computed` tokens pass the layers, `row_tokens` is what the rows have themselves, `sources`
    tokens pass the output head. Attention: `trunk` tokens see each other, and `bins` times
    `length` tokens see the trunk and their bin.
    """

    rows: int
    computed: int
    row_tokens: int
    sources: int
    trunk: int
    bins: int
    length: int


def as_tree(rows: Sequence[Rendered]) -> PlannedBatch:
    """The rows merged as the collator merges them."""
    tree = build_tree([row.input_ids for row in rows], [row.labels for row in rows])
    layout = lay_out(tree)
    sources = len(set(tree.sources))
    computed = len(tree.tokens)
    return PlannedBatch(
        len(rows), computed, tree.row_tokens, sources, layout.trunk, len(layout.bins), layout.length
    )


def as_padded(rows: Sequence[Rendered]) -> PlannedBatch:
    """The rows side by side, all as long as the longest; of a pair both texts are a row."""
    width, texts = max(map(longest, rows)), sum(len(texts_of(row)) for row in rows)
    own = sum(map(own_tokens, rows))
    return PlannedBatch(len(rows), texts * width, own, texts * width, 0, texts, width)


def micro_batch(rows: Sequence[Rendered], *, tree: bool) -> PlannedBatch:
    """What these rows compute together."""
    return as_tree(rows) if tree else as_padded(rows)


def worst(rows: Sequence[Rendered], size: int, *, per_source: float) -> list[Sequence[Rendered]]:
    """The two groups of `size` rows that need most: the longest rows, then the next longest.

    `per_source` is what a completion token's output weighs beside a token in the layers. With
    fewer rows than two groups, the one group comes alone.
    """

    def weight(row: Rendered) -> float:
        return longest(row) + per_source * (longest(row) - row.prompt_length)

    ordered = sorted(rows, key=lambda row: (-weight(row), row.id))
    return [ordered[start : start + size] for start in (0, size) if ordered[start : start + size]]


def drawn(rows: Sequence[Rendered], size: int, count: int, seed: int) -> Iterator[Sequence[Rendered]]:
    """`count` groups (at most DRAWN) as shuffled epochs would bring them.

    They are like the run's own, not the same: the run shuffles with torch.
    """
    chance, left = random.Random(seed), min(count, DRAWN)
    while left > 0:
        order = chance.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), size)[:left]:
            yield [rows[index] for index in order[start : start + size]]
        left -= -(-len(order) // size)
