"""What the kit needs of TRL, and of the Trainer it builds on, that is private, undocumented or deprecated.

It imports nothing of TRL, which only `training` knows. `tests/engine/test_trl_api.py` names each part
and fails before all other tests when one moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DOCUMENTED = frozenset({"trl"})
"""Modules that TRL documents."""

PRIVATE_NAMES: frozenset[str] = frozenset()
"""Attributes without an underscore that no other file may name."""

OVERRIDDEN: Mapping[str, tuple[str, ...]] = {
    "_get_output_dir": ("trial",),
    "_load_from_checkpoint": ("resume_from_checkpoint", "model"),
    "_prepare_dataset": ("dataset",),
    "_save_checkpoint": ("model", "trial"),
    "_send_telemetry": (),
    "compute_loss": ("model", "inputs", "return_outputs", "num_items_in_batch"),
    "create_model_card": (),
    "create_optimizer": ("model",),
    "evaluation_loop": (),
    "get_batch_samples": (),
    "prediction_step": ("model", "inputs", "prediction_loss_only", "ignore_keys"),
    "training_step": ("model", "inputs", "num_items_in_batch"),
}
"""Methods of TRL's trainers that the kit's trainers replace, and the parameters they are called with."""

SCALED_BY_COUNT = "loss_is_scaled_for_ga"
"""Class attribute that keeps Trainer from dividing a loss which is divided by the step's count already."""

REFERENCE = "ref"
"""Name that DPOTrainer gives the copy of the adapter that it starts from."""

PAIR_COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids")
"""What DPOTrainer's collator reads of a pair that is tokens already."""


def checkpointing(on: bool) -> dict[str, bool]:
    """Arguments for a config that computes activations again in the backward, or keeps them.

    The old name is deprecated in transformers; TRL 1.16 still has a default for it that says yes.
    """
    return {"activation_checkpointing": on, "gradient_checkpointing": on}


def logged(trainer: Any, mode: str) -> dict[str, list[float]]:
    """What an SFTTrainer or DPOTrainer will log as means: lists that may be added to.

    `mode` is `train` or `eval`.
    """
    figures: dict[str, list[float]] = trainer._metrics[mode]
    return figures


def add_train_tokens(trainer: Any, count: int) -> int:
    """Count `count` more tokens as trained on; returns how many there are in all."""
    trainer._total_train_tokens += count
    total: int = trainer._total_train_tokens
    return total


def shipped_template(name: str) -> Path | None:
    """The file of a chat template that TRL ships as data, or None if it ships none of that name."""
    spec = find_spec("trl")
    path = Path(str(spec.origin)).parent / "chat_templates" / f"{name}.jinja" if spec else None
    return path if path and path.is_file() else None
