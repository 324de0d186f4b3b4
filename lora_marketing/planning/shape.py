"""Reads the sizes of a base, and counts its parameters by kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lora_marketing.bases.catalogue import load_catalogue
from lora_marketing.bases.locate import folder_here
from lora_marketing.common.errors import BaseModelError, Problem
from lora_marketing.recipe.schema import BaseSection

FOUR_NORMS = frozenset({"gemma3", "gemma3_text"})
"""Architectures with four norms per layer (before and after attention and MLP); others have two."""
HEAD_NORMS = frozenset({"gemma3", "gemma3_text", "qwen3"})
"""Architectures that normalise queries and keys in each head."""


@dataclass(frozen=True)
class VisionTower:
    """The sizes of a multimodal base's vision tower (SigLIP).

    `image` and `patch` are edges in pixels; `pools` is True if it has an attention pooling head.
    """

    layers: int
    hidden: int
    intermediate: int
    image: int
    patch: int
    pools: bool

    @property
    def quantized(self) -> int:
        """Number of weights in linear layers, which are quantized."""
        mlp = 2 * self.hidden * self.intermediate
        return self.layers * (4 * self.hidden**2 + mlp) + (mlp if self.pools else 0)

    def kept(self, text_hidden: int) -> int:
        """Number of all other weights: biases, norms, patch and position embeddings, and the projector."""
        layer = 9 * self.hidden + self.intermediate
        embeddings = self.hidden * (3 * self.patch**2 + 1 + (self.image // self.patch) ** 2)
        pooling = 4 * self.hidden**2 + 8 * self.hidden + self.intermediate if self.pools else 0
        return self.layers * layer + embeddings + pooling + 3 * self.hidden + self.hidden * text_hidden


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a decoder, and of its vision tower (`eyes`). `tied`: the output head is the embeddings."""

    model_type: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    eyes: VisionTower | None = None

    @property
    def linear(self) -> dict[str, tuple[int, int]]:
        """(out, in) features of the linear layers in one decoder layer, by short name."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (query, self.hidden),
            "k_proj": (key, self.hidden),
            "v_proj": (key, self.hidden),
            "o_proj": (self.hidden, query),
            "gate_proj": (self.intermediate, self.hidden),
            "up_proj": (self.intermediate, self.hidden),
            "down_proj": (self.hidden, self.intermediate),
        }

    @property
    def norms(self) -> int:
        """Number of norms of the hidden state in one layer."""
        return 4 if self.model_type in FOUR_NORMS else 2

    @property
    def head_norms(self) -> bool:
        """Whether queries and keys are normalised."""
        return self.model_type in HEAD_NORMS

    @property
    def in_layers(self) -> int:
        """Number of weights in the decoder's linear layers, which compute on every token."""
        return self.layers * sum(rows * columns for rows, columns in self.linear.values())

    @property
    def quantized(self) -> int:
        """Weights that NF4 holds, with those of the vision tower; the output head is never quantized."""
        return self.in_layers + (self.eyes.quantized if self.eyes else 0)

    @property
    def kept(self) -> int:
        """Number of weights that stay in the compute dtype: embeddings, output head, norms, biases."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        per_layer = self.norms * self.hidden + (2 * self.head_dim if self.head_norms else 0)
        seeing = self.eyes.kept(self.hidden) if self.eyes else 0
        return embeddings + self.layers * per_layer + self.hidden + seeing


def shape_of(config: Mapping[str, Any], model_type: str) -> ModelShape:
    """Read the sizes from the content of a config.json.

    Architectures that are not named in this module are counted like Llama.

    Raises:
        BaseModelError: the configuration lacks a size.
    """
    text, eyes = config.get("text_config") or config, config.get("vision_config")
    try:
        heads = int(text["num_attention_heads"])
        hidden = int(text["hidden_size"])
        return ModelShape(
            model_type=model_type,
            layers=int(text["num_hidden_layers"]),
            hidden=hidden,
            intermediate=int(text["intermediate_size"]),
            heads=heads,
            kv_heads=int(text.get("num_key_value_heads") or heads),
            head_dim=int(text.get("head_dim") or hidden // heads),
            vocabulary=int(text["vocab_size"]),
            tied=_tied(config, text),
            eyes=_vision_tower(eyes) if eyes else None,
        )
    except KeyError as error:
        fix = "plan for a catalogue base, or for one whose config.json names its sizes"
        raise BaseModelError(
            Problem(f"the base's config does not say {error}", got=model_type, fix=fix)
        ) from error


def _tied(config: Mapping[str, Any], text: Mapping[str, Any]) -> bool:
    stated = config.get("tie_word_embeddings", text.get("tie_word_embeddings"))
    return str(text.get("model_type", "")).startswith("gemma3") if stated is None else bool(stated)


def _vision_tower(vision: Mapping[str, Any]) -> VisionTower:
    return VisionTower(
        layers=int(vision["num_hidden_layers"]),
        hidden=int(vision["hidden_size"]),
        intermediate=int(vision["intermediate_size"]),
        image=int(vision["image_size"]),
        patch=int(vision["patch_size"]),
        pools=bool(vision.get("vision_use_head", True)),
    )


def base_config(section: BaseSection) -> dict[str, Any]:
    """The configuration of a recipe's base: its config.json if it is here, else the catalogue's sizes.

    Raises:
        BaseModelError: the base is neither on this machine nor in the catalogue.
    """
    folder, entry = folder_here(section), load_catalogue().find(section.id)
    if folder is not None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return {"model_type": "llama", **config}
    if entry is not None:
        return {"model_type": entry.model_type, **entry.config}
    fix = "name a catalogue base or a folder, or fetch the base once"
    raise BaseModelError(
        Problem("the base is not on this machine, so its sizes are unknown", got=section.id, fix=fix)
    )
