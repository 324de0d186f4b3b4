"""Decides whether a run trains on prefix trees or padded batches, for the plan and for training alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lora_marketing.recipe import Recipe
from lora_marketing.tokens.prefix_tree import TREE_MODEL_TYPES

MASKED = {"full_attention", "sliding_attention"}
"""The `layer_types` for which the collator makes a mask."""
NAME_THEIR_LAYERS = frozenset({"qwen3", "smollm3", "gemma3", "gemma3_text"})
"""Architectures that choose one of these types per layer, also where config.json does not list them."""
WINDOW_EVERYWHERE = {"mistral": 4096}
"""Architectures with one sliding window for all layers, and its default in transformers."""


def tree_refusal(config: Mapping[str, Any], method: str = "sft") -> str | None:
    """Why a base cannot be trained on prefix trees by `train.method`, or None if it can.

    Layers that carry state from token to token (Mamba, linear attention, convolutions) would
    let one branch of the tree leak into the next.

    Args:
        config: the content of config.json, or all attributes of a loaded configuration, with `model_type`.
        method: `train.method`, which is `sft` or `dpo`.
    """
    if method == "dpo":
        return "preference pairs are compared row by row"
    text = config.get("text_config") or config
    kind, layers = text.get("model_type") or config["model_type"], set(text.get("layer_types") or ())
    if unknown := layers - MASKED:
        return f"layers of type {', '.join(sorted(unknown))} carry state along the sequence"
    if kind not in TREE_MODEL_TYPES:
        return f"{kind} is not among the architectures the tree is proven exact for"
    named = layers or kind in NAME_THEIR_LAYERS
    window = text.get("sliding_window", WINDOW_EVERYWHERE.get(kind))
    if window is not None and (kind in WINDOW_EVERYWHERE or not named):
        return "a sliding window on all layers"
    return None


def packed(recipe: Recipe, config: Mapping[str, Any]) -> tuple[Recipe, str | None]:
    """The recipe with a packing that its base allows, and the reason if that is padding instead of a tree."""
    refusal = tree_refusal(config, recipe.train.method) if recipe.train.packing == "prefix_tree" else None
    if refusal is None:
        return recipe, None
    train = recipe.train.model_copy(update={"packing": "padded"})
    return recipe.model_copy(update={"train": train}), refusal
