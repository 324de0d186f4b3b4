"""LoftQ: A and B start where they make up for what NF4 rounded away (one iteration).

PEFT has this too, but only for GPUs, and without dividing by LoRA's scaling: at alpha = 2 * rank
its start is as far from the full weights as the rounded ones are, on the other side.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.recipe.variants import Conflict, LoraVariant

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

PREFIX = "base_model.model."
ADAPTER = "default"


def start_from_rounding_error(model: PeftModel, folder: Path) -> None:
    """Set B A * scaling of every layer to the best low-rank copy of full minus rounded weight.

    Args:
        model: LoRA on NF4 layers.
        folder: the base's full weights, in one or several safetensors files.

    Raises:
        TrainingError: the folder lacks a layer's weight.
    """
    from peft.tuners.lora import Linear4bit
    from safetensors import safe_open

    layers = {
        f"{name.removeprefix(PREFIX)}.weight": layer
        for name, layer in model.named_modules()
        if isinstance(layer, Linear4bit)
    }
    started = set()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in layers.keys() & set(file.keys()):
                _start(layers[name], file.get_tensor(name))
                started.add(name)
    missing = sorted(layers.keys() - started)
    if missing:
        fix = "use lora.variant: plain"
        raise TrainingError(Problem("loftq finds no full weight", str(folder), got=missing[0], fix=fix))


def _start(layer: Any, full: torch.Tensor) -> None:
    """`layer` is PEFT's Linear4bit, `full` (out, in) its weight before it was rounded."""
    import torch
    from bitsandbytes.functional import dequantize_4bit

    packed = layer.get_base_layer().weight
    rounded = dequantize_4bit(packed.data, packed.quant_state).float()
    with torch.no_grad():
        lost = (full.to(rounded.device).float() - rounded) / layer.scaling[ADAPTER]
        u, s, v = torch.linalg.svd(lost, full_matrices=False)
        rank, root = layer.r[ADAPTER], s.sqrt()
        layer.lora_A[ADAPTER].weight.copy_(root[:rank, None] * v[:rank])
        layer.lora_B[ADAPTER].weight.copy_(u[:, :rank] * root[:rank])


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
