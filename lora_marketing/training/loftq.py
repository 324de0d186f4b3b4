"""LoftQ's start: A and B make up for what NF4 rounded away (arXiv:2310.08659, one iteration).

PEFT has this too, but only for GPUs, and without dividing by LoRA's scaling: at alpha = 2 * rank
its start is as far from the full weights as the rounded ones are, on the other side.
"""

from __future__ import annotations

from pathlib import Path

import torch
from bitsandbytes.nn import Linear4bit
from peft import PeftModel
from safetensors import safe_open

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.engine.bitsandbytes_api import dequantized
from lora_marketing.engine.peft_api import (
    ADAPTER,
    LoraLayer,
    adapted_linear,
    lora_layers,
    lora_weights,
    scaling_of,
)


def start_from_rounding_error(model: PeftModel, folder: Path, adapter: str = ADAPTER) -> None:
    """Set B A * scaling of every layer to the best low-rank copy of full minus rounded weight.

    Args:
        model: LoRA on NF4 layers.
        folder: the base's full weights, in one or several safetensors files.

    Raises:
        TrainingError: the folder lacks a layer's weight.
    """
    layers = {
        f"{name}.weight": layer
        for name, layer in lora_layers(model).items()
        if isinstance(adapted_linear(layer), Linear4bit)
    }
    found = set()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in layers.keys() & set(file.keys()):
                _start(layers[name], file.get_tensor(name), adapter)
                found.add(name)
    missing = sorted(layers.keys() - found)
    if missing:
        fix = "use lora.variant: plain"
        raise TrainingError(Problem("loftq finds no full weight", str(folder), got=missing[0], fix=fix))


@torch.no_grad()
def _start(layer: LoraLayer, full: torch.Tensor, adapter: str) -> None:
    rounded, (a, b) = dequantized(adapted_linear(layer)), lora_weights(layer, adapter)
    lost = (full.to(rounded.device).float() - rounded) / scaling_of(layer, adapter)
    u, s, v = torch.linalg.svd(lost, full_matrices=False)
    rank, root = len(a), s.sqrt()
    a.copy_(root[:rank, None] * v[:rank])
    b.copy_(u[:, :rank] * root[:rank])
