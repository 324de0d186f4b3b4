"""From rendered rows to model inputs: one prefix tree per micro-batch, with its attention mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PretrainedConfig

from lora_marketing.training.tree import PrefixTree, build_tree


@dataclass(frozen=True)
class TreeCollator:
    """Merges the rows of a micro-batch into one sequence.

    Returns `input_ids` and `position_ids` (1, tokens), `attention_mask` (1, 1, tokens, tokens)
    with True where a token is seen (one mask per layer type for models with sliding windows),
    `loss_sources` (targets,), `shift_labels` (targets,) and `row_tokens`, the number of tokens
    the rows have without merging.
    """

    sliding_window: int | None = None

    def __call__(self, rows: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, Tensor | dict[str, Tensor]]:
        """Collate rows with `input_ids` and `labels`."""
        tree = build_tree([row["input_ids"] for row in rows], [row["labels"] for row in rows])
        positions = torch.tensor(tree.positions)
        seen = visible(tree)
        mask: Tensor | dict[str, Tensor] = seen[None, None]
        if self.sliding_window is not None:
            near = positions[:, None] - positions[None, :] < self.sliding_window
            mask = {"full_attention": seen[None, None], "sliding_attention": (seen & near)[None, None]}
        return {
            "input_ids": torch.tensor(tree.tokens)[None],
            "position_ids": positions[None],
            "attention_mask": mask,
            "loss_sources": torch.tensor(tree.sources, dtype=torch.long),
            "shift_labels": torch.tensor(tree.targets, dtype=torch.long),
            "row_tokens": torch.tensor(tree.row_tokens),
        }


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


def sliding_window_of(config: PretrainedConfig) -> int | None:
    """The window of a model's sliding layers, or None if all its layers see everything."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ())
    return int(text.sliding_window) if "sliding_attention" in kinds else None


def tree_refusal(config: PretrainedConfig) -> str | None:
    """Why this architecture cannot be trained on prefix trees, or None if it can.

    Layers that carry state from token to token (Mamba, linear attention, convolutions) would
    let one branch of the tree leak into the next.
    """
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ())
    unknown = kinds - {"full_attention", "sliding_attention"}
    if unknown:
        return f"layers of type {', '.join(sorted(unknown))} carry state along the sequence"
    if text.model_type not in TREE_MODEL_TYPES:
        return f"{text.model_type} is not among the architectures the tree is proven exact for"
    if not kinds and getattr(text, "sliding_window", None) is not None:
        return "a sliding window on all layers"
    return None


TREE_MODEL_TYPES = frozenset({"llama", "qwen3", "gemma3", "gemma3_text", "mistral", "smollm3"})
"""Architectures whose loss and gradients on a tree are tested against the padded batch."""
