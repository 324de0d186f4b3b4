"""LoRA+: B, which starts at zero, has a higher learning rate than A."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lora_marketing.recipe.schema import Recipe
from lora_marketing.recipe.variants import LoraVariant

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


def with_faster_b(
    model: nn.Module, kind: type[Optimizer], arguments: Mapping[str, Any], recipe: Recipe
) -> Optimizer:
    """The optimizer with `lora.b_learning_rate_ratio` times the learning rate for B."""
    from peft.optimizers import create_loraplus_optimizer

    optimizer: Optimizer = create_loraplus_optimizer(
        model,
        kind,
        loraplus_lr_ratio=recipe.lora.b_learning_rate_ratio,
        loraplus_weight_decay=recipe.train.weight_decay,
        **arguments,
    )
    return optimizer


VARIANT = LoraVariant(
    summary="B learns b_learning_rate_ratio times faster than A",
    source="arXiv:2402.12354",
    optimizer=with_faster_b,
    keys=("lora.b_learning_rate_ratio",),
    unfused=None,
)
