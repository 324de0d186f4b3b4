"""LoftQ: A and B start where they make up for what NF4 rounded away (one iteration).

PEFT has this too, but only for GPUs, and without dividing by LoRA's scaling: at alpha = 2 * rank
its start is as far from the full weights as the rounded ones are, on the other side.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.recipe.variants import Conflict, LoraVariant, NewLayer

if TYPE_CHECKING:
    from torch import Tensor


def start_from_rounding_error(layers: Sequence[NewLayer], folder: Path) -> None:
    """Set B A * scaling of every rounded layer to the best low-rank copy of full minus rounded weight.

    Args:
        layers: those that LoRA sits on.
        folder: the base's full weights, in one or several safetensors files.

    Raises:
        TrainingError: the folder lacks a layer's weight.
    """
    from safetensors import safe_open

    rounded = {f"{layer.name}.weight": layer for layer in layers if layer.quantized}
    found = set()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in rounded.keys() & set(file.keys()):
                _start(rounded[name], file.get_tensor(name))
                found.add(name)
    missing = sorted(rounded.keys() - found)
    if missing:
        fix = "use lora.variant: plain"
        raise TrainingError(Problem("loftq finds no full weight", str(folder), got=missing[0], fix=fix))


def _start(layer: NewLayer, full: Tensor) -> None:
    """`full` (out, in) is the layer's weight before it was rounded."""
    import torch

    with torch.no_grad():
        weight = layer.weight()
        lost = (full.to(weight.device).float() - weight) / layer.scaling
        u, s, v = torch.linalg.svd(lost, full_matrices=False)
        rank, root = len(layer.a), s.sqrt()
        layer.a.copy_(root[:rank, None] * v[:rank])
        layer.b.copy_(u[:, :rank] * root[:rank])


VARIANT = LoraVariant(
    summary="A and B start from what NF4 rounded away",
    source="arXiv:2310.08659",
    prepare=start_from_rounding_error,
    conflicts=(
        Conflict(
            "base.quantization",
            clashes=lambda quantization: quantization == "none",
            what="loftq needs a quantized base",
            fix="use plain: there is no rounding error to start from",
        ),
    ),
    unfused=None,
)
