"""LoftQ's start: A and B make up for what NF4 rounded away (arXiv:2310.08659, one iteration).

PEFT has this too, but only for GPUs, and without dividing by LoRA's scaling: at alpha = 2 * rank
its start is as far from the full weights as the rounded ones are, on the other side.
"""

from __future__ import annotations

from pathlib import Path

import torch
from bitsandbytes.functional import dequantize_4bit
from peft import PeftModel
from peft.tuners.lora import Linear4bit
from safetensors import safe_open

from lora_marketing.common.errors import Problem, TrainingError


def start_from_rounding_error(model: PeftModel, folder: Path, adapter: str = "default") -> None:
    """Set B A * scaling of every layer to the best low-rank copy of full minus rounded weight.

    Args:
        model: LoRA on NF4 layers.
        folder: the base's full weights, in one or several safetensors files.

    Raises:
        TrainingError: the folder lacks a layer's weight.
    """
    prefix = "base_model.model."
    layers = {
        f"{name.removeprefix(prefix)}.weight": layer
        for name, layer in model.named_modules()
        if isinstance(layer, Linear4bit)
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
def _start(layer: Linear4bit, full: torch.Tensor, adapter: str) -> None:
    packed = layer.get_base_layer().weight
    rounded = dequantize_4bit(packed.data, packed.quant_state).float()
    lost = (full.to(rounded.device).float() - rounded) / layer.scaling[adapter]
    u, s, v = torch.linalg.svd(lost, full_matrices=False)
    rank, root = layer.r[adapter], s.sqrt()
    layer.lora_A[adapter].weight.copy_(root[:rank, None] * v[:rank])
    layer.lora_B[adapter].weight.copy_(u[:, :rank] * root[:rank])
