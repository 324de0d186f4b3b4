"""From rendered rows to model inputs: one prefix tree per micro-batch, and who sees whom in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lora_marketing.tokens.prefix_tree import PrefixTree, build_tree, lay_out


@dataclass(frozen=True)
class TreeCollator:
    """Merges the rows of a micro-batch into one sequence for `tree_attention`.

    Returns `input_ids` and `position_ids` (1, tokens); `trunk`, `bins` and `unbin` as
    `tree_attention` explains them; `attention_mask` (bins, 1, length, trunk + length), one per
    layer type for models with sliding windows; `loss_sources` (targets,), the tokens whose
    outputs predict `shift_labels` (targets,); `row_tokens`, what the rows have without merging.
    """

    sliding_window: int | None = None

    def __call__(self, rows: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, Any]:
        """Collate rows with `input_ids` and `labels`."""
        tree = build_tree([row["input_ids"] for row in rows], [row["labels"] for row in rows])
        positions = torch.tensor(tree.positions)
        trunk, bins, unbin = _layout(tree)
        seen = visible(tree)
        everything = _bin_mask(seen, trunk, bins)
        mask: Tensor | dict[str, Tensor] = everything
        if self.sliding_window is not None:
            near = positions[:, None] - positions[None, :] < self.sliding_window
            mask = {"full_attention": everything, "sliding_attention": _bin_mask(seen & near, trunk, bins)}
        return {
            "input_ids": torch.tensor(tree.tokens)[None],
            "position_ids": positions[None],
            "attention_mask": mask,
            "trunk": trunk,
            "bins": bins.clamp(min=0),
            "unbin": unbin,
            "loss_sources": torch.tensor(tree.sources, dtype=torch.long),
            "shift_labels": torch.tensor(tree.targets, dtype=torch.long),
            "row_tokens": torch.tensor(tree.row_tokens),
        }


def _layout(tree: PrefixTree) -> tuple[int, Tensor, Tensor]:
    """Length of the trunk, (bins, length) token indices with -1 in gaps, and each token's place."""
    layout = lay_out(tree)
    bins = torch.full((len(layout.bins), layout.length), -1)
    for row, members in enumerate(layout.bins):
        bins[row, : len(members)] = torch.tensor(members)
    filled = bins.flatten()
    places = (filled >= 0).nonzero().flatten()
    return layout.trunk, bins, places[filled[places].argsort()]


def _bin_mask(seen: Tensor, trunk: int, bins: Tensor) -> Tensor:
    """(bins, 1, length, trunk + length): who sees whom; a gap sees itself, so that it is a number."""
    at, real = bins.clamp(min=0), bins >= 0
    to_trunk = seen[at, :trunk] | ~real[:, :, None]
    inside = seen[at[:, :, None], at[:, None, :]] & real[:, None, :] & real[:, :, None]
    itself = torch.eye(bins.shape[1], dtype=torch.bool)
    return torch.cat([to_trunk, inside | itself], dim=2)[:, None]


def visible(tree: PrefixTree) -> Tensor:
    """(tokens, tokens) bool: True where the row token may attend to the column token."""
    count = len(tree.parents)
    ancestors = torch.zeros(count, count, dtype=torch.bool)
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            ancestors[node] = ancestors[parent]
        ancestors[node, node] = True
    nodes = torch.tensor(tree.nodes)
    return ancestors[nodes][:, nodes].tril()
