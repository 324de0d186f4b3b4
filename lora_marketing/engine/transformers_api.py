"""What the kit needs of transformers that is private, undocumented or renamed between versions.

Every other file uses the modules in DOCUMENTED alone, which `tests/test_architecture.py` proves.
`tests/engine/test_transformers_api.py` names each part and fails before all other tests when one moves.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    PreTrainedModel,
    Trainer,
    TrainerState,
)

try:
    from transformers.cache_utils import CacheLayerMixin
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask
    from transformers.trainer import TRAINER_STATE_NAME
except ImportError as error:
    moved = f"transformers moved what the kit needs of it: {error}. Put its new place into {__file__}"
    raise ImportError(moved) from error

DOCUMENTED = frozenset({"transformers", "transformers.integrations", "transformers.utils.logging"})
"""Modules that transformers documents."""

PRIVATE_NAMES: frozenset[str] = frozenset()
"""Attributes without an underscore that no other file may name."""

CACHE_LAYER_METHODS = frozenset(
    {"lazy_initialization", "update", "get_mask_sizes", "get_seq_length", "get_max_length"}
)
"""What models and `Cache` ask of a cache layer, and the engine's own layers therefore define."""


def cache_argument(kind: type[PreTrainedModel]) -> str:
    """The argument of `kind.forward` that takes the keys and values of earlier tokens.

    It is `cache` since transformers 5.24, where the old name warns, and `past_key_values` before.
    """
    return "cache" if "cache" in signature(kind.forward).parameters else "past_key_values"


def register_attention(name: str, attention: Callable[..., tuple[Tensor, None]]) -> None:
    """Let models attend by `attention`, with boolean masks as SDPA takes them, under `name`."""
    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, sdpa_mask)


def state_where_training_ended(checkpoint: Path) -> TrainerState | None:
    """The state saved in a Trainer's checkpoint folder if its run was to stop there, else None."""
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    return state if state.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"] else None


def write_checkpoint(trainer: Trainer, model: nn.Module, trial: Any) -> None:
    """Write weights, optimizer, scheduler, random states and Trainer's state, and no model card."""
    Trainer._save_checkpoint(trainer, model, trial)


def on_device(trainer: Trainer, inputs: dict[str, Any]) -> dict[str, Any]:
    """A micro-batch with its tensors on the trainer's device."""
    return trainer._prepare_inputs(inputs)


def learning_rate(trainer: Trainer) -> float:
    """The learning rate of the running step."""
    return trainer._get_learning_rate()


__all__ = [
    "CACHE_LAYER_METHODS",
    "DOCUMENTED",
    "PRIVATE_NAMES",
    "TRAINER_STATE_NAME",
    "CacheLayerMixin",
    "cache_argument",
    "learning_rate",
    "on_device",
    "register_attention",
    "sdpa_attention_forward",
    "state_where_training_ended",
    "write_checkpoint",
]
