"""What the kit needs of bitsandbytes that is private or undocumented: the state of a 4-bit layer.

Every other file uses the modules in DOCUMENTED alone, which `tests/test_architecture.py` proves.
`tests/engine/test_bitsandbytes_api.py` names each part and fails before all other tests when one moves.
"""

from __future__ import annotations

from typing import Any

from bitsandbytes.functional import QuantState, dequantize_4bit
from bitsandbytes.nn import Linear4bit
from torch import Tensor, nn

DOCUMENTED = frozenset({"bitsandbytes.nn", "bitsandbytes.functional"})
"""Modules that bitsandbytes documents."""

PRIVATE_NAMES = frozenset({"quant_state", "support_avx512bf16_for_cpu"})
"""Attributes without an underscore that no other file may name."""


def quantization_states(model: nn.Module) -> dict[int, QuantState]:
    """By their ids, the scales of all 4-bit layers: a copy of the modules may share them."""
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    return {id(layer.quant_state): layer.quant_state for layer in layers}


def keep_weights_unpacked(model: nn.Module) -> None:
    """Stop bitsandbytes from repacking NF4 weights at the first forward in eval mode.

    On CPUs with AVX512-BF16 that packing is for inference only: it has no backward, so one
    evaluation in the middle of training would silently cut every later gradient; it rounds the
    block scales to bfloat16, and computes in bfloat16 whatever the compute dtype is.
    """
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def dequantized(layer: nn.Module) -> Tensor:
    """(out, in) float32 weight of a 4-bit layer."""
    weight: Any = layer.weight
    dense: Tensor = dequantize_4bit(weight.data, weight.quant_state)
    return dense.float()
