"""build_tree against a slow obvious version, and the attention mask that is made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from lora_marketing.tokens.prefix_tree import PrefixTree, build_tree
from lora_marketing.training.attention import tree_attention
from lora_marketing.training.collate import TreeCollator, visible
from tests.closeness import close
from tests.training.making import property_test

Row = tuple[list[int], list[int]]
Prefix = tuple[int, ...]


@st.composite
def batches(draw: st.DrawFn) -> list[Row]:
    """Rows over three tokens, so that many share prefixes; some are doubled, some extend others."""
    token = st.integers(0, 2)
    rows = draw(st.lists(st.lists(token, min_size=1, max_size=7), min_size=1, max_size=6))
    rows += [[*row, *draw(st.lists(token, max_size=3))] for row in draw(st.lists(st.sampled_from(rows)))]
    order = draw(st.permutations(rows))
    return [(row, draw(masks(row))) for row in order]


@st.composite
def masks(draw: st.DrawFn, row: list[int]) -> list[int]:
    keep = draw(st.one_of(st.just([False] * len(row)), st.lists(st.booleans(), min_size=len(row))))
    return [token if kept else -100 for token, kept in zip(row, keep[: len(row)], strict=True)]


DUPLICATES: list[Row] = [([1, 2], [-100, 2]), ([1, 2], [-100, 2])]
PREFIX_OF_ANOTHER: list[Row] = [([1, 2, 0], [-100, 2, 0]), ([1, 2], [-100, 2]), ([1], [-100])]
NO_LABELS: list[Row] = [([1, 2], [-100, -100]), ([0], [0])]
NOTHING_SHARED: list[Row] = [([0, 1], [-100, 1]), ([1, 1], [-100, 1])]


def built(batch: Sequence[Row]) -> PrefixTree:
    return build_tree([row for row, _ in batch], [labels for _, labels in batch])


def prefixes(batch: Sequence[Row]) -> set[Prefix]:
    return {tuple(row[: end + 1]) for row, _ in batch for end in range(len(row))}


def path_to(tree: PrefixTree, index: int) -> Prefix:
    """The tokens from the root to one token, by parents and positions only."""
    found: list[int] = []
    node, last = tree.nodes[index], index
    while node >= 0:
        inside = [i for i in range(last + 1) if tree.nodes[i] == node]
        assert [tree.positions[i] for i in inside] == sorted(tree.positions[i] for i in inside)
        found = [tree.tokens[i] for i in inside] + found
        node, last = tree.parents[node], inside[0]
    assert tree.positions[index] == len(found) - 1
    return tuple(found)


@property_test
@given(batches())
@example(DUPLICATES)
@example(PREFIX_OF_ANOTHER)
@example(NO_LABELS)
@example(NOTHING_SHARED)
def test_the_tree_holds_every_prefix_exactly_once(batch: list[Row]) -> None:
    tree = built(batch)
    assert Counter(path_to(tree, index) for index in range(len(tree.tokens))) == Counter(prefixes(batch))
    assert tree.row_tokens == sum(len(row) for row, _ in batch)
    assert tree.saved == 1 - len(prefixes(batch)) / tree.row_tokens


@pytest.mark.thorough
@property_test
@given(batches())
@example(DUPLICATES)
@example(PREFIX_OF_ANOTHER)
@example(NO_LABELS)
def test_every_label_is_predicted_from_its_own_row(batch: list[Row]) -> None:
    tree = built(batch)
    found = Counter(
        (path_to(tree, source), target) for source, target in zip(tree.sources, tree.targets, strict=True)
    )
    padded = Counter(
        (tuple(row[:at]), labels[at])
        for row, labels in batch
        for at in range(1, len(row))
        if labels[at] != -100
    )
    assert found == padded


@pytest.mark.thorough
@property_test
@given(batches())
def test_the_order_is_depth_first(batch: list[Row]) -> None:
    tree = built(batch)
    order = [path_to(tree, index) for index in range(len(tree.tokens))]
    for index, prefix in enumerate(order):
        below = [i for i, other in enumerate(order) if other[: len(prefix)] == prefix]
        assert below == list(range(index, index + len(below))), "what extends a prefix comes right after it"
    first_seen: dict[Prefix, None] = {}
    for row, _ in batch:
        first_seen |= {tuple(row[: end + 1]): None for end in range(len(row))}
    for at in range(1, max(map(len, order)) + 1):
        siblings = [prefix for prefix in order if len(prefix) == at]
        parents = [prefix[:-1] for prefix in siblings]
        for parent in parents:
            mine = [prefix for prefix in siblings if prefix[:-1] == parent]
            assert mine == [prefix for prefix in first_seen if prefix in set(mine)], "rows keep their order"


def dense(tree: PrefixTree, window: int | None) -> torch.Tensor:
    """(tokens, tokens): who sees whom, from the prefixes themselves."""
    order = [path_to(tree, index) for index in range(len(tree.tokens))]
    near = len(tree.tokens) if window is None else window
    return torch.tensor(
        [[row[: len(seen)] == seen and len(row) - len(seen) < near for seen in order] for row in order]
    )


@property_test
@given(batches(), st.one_of(st.none(), st.integers(1, 5)))
@example(DUPLICATES, None)
@example(PREFIX_OF_ANOTHER, 1)
@example(NOTHING_SHARED, 2)
def test_tree_attention_equals_attention_with_the_dense_mask(batch: list[Row], window: int | None) -> None:
    """Outputs and gradients, two query heads for each key head, with and without a sliding window."""
    tree = built(batch)
    assert torch.equal(visible(tree), dense(tree, None))
    inputs = TreeCollator(window)([{"input_ids": row, "labels": labels} for row, labels in batch])
    mask = inputs["attention_mask"]
    count, generator = len(tree.tokens), torch.Generator().manual_seed(3)
    query, key, value, weights = (
        torch.randn(1, heads, count, 8, generator=generator, requires_grad=True) for heads in (4, 2, 2, 4)
    )
    layout = {name: inputs[name] for name in ("trunk", "bins", "unbin")}
    found = tree_attention(
        nn.Module(),
        query,
        key,
        value,
        mask if window is None else mask["sliding_attention"],
        scaling=0.3,
        sliding_window=window,
        **layout,
    )[0]
    wanted = scaled_dot_product_attention(
        query, key, value, dense(tree, window)[None, None], scale=0.3, enable_gqa=True
    ).transpose(1, 2)
    close(found.detach(), wanted.detach())
    inner = weights.transpose(1, 2).detach()
    grown, plain = (
        torch.autograd.grad((output * inner).sum(), (query, key, value)) for output in (found, wanted)
    )
    largest = max(float(gradient.abs().max()) for gradient in plain)  # a query that sees one key has none
    for mine, other in zip(grown, plain, strict=True):
        close(mine, other, size=largest)


def test_long_rows_take_linear_time() -> None:
    row = list(range(20_000))
    tree = build_tree([row, row[:-1]], [row, row[:-1]])
    assert len(tree.tokens) == 20_000
    assert len(tree.targets) == 2 * 20_000 - 3
