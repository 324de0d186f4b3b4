"""What the kit needs of PEFT that is private or undocumented: the insides of a LoRA layer.

Every other file uses the modules in DOCUMENTED alone, which `tests/test_architecture.py` proves.
`tests/engine/test_peft_api.py` names each part and fails before all other tests when one moves.
"""

from __future__ import annotations

from collections.abc import Mapping

from peft import PeftModel
from torch import Tensor, nn

try:
    from peft.tuners.lora import LoraLayer
except ImportError as error:
    moved = f"PEFT moved what the kit needs of it: {error}. Put its new place into {__file__}"
    raise ImportError(moved) from error

DOCUMENTED = frozenset({"peft", "peft.optimizers"})
"""Modules that PEFT documents."""

PRIVATE_NAMES = frozenset({"lora_A", "lora_B", "lora_magnitude_vector", "get_base_layer", "base_layer"})
"""Attributes without an underscore that no other file may name."""

ADAPTER = "default"
"""The name that PEFT gives an adapter which was given none."""


def lora_layers(model: PeftModel) -> dict[str, LoraLayer]:
    """A model's LoRA layers by the module names that its base has for them."""
    modules: Mapping[str, nn.Module] = dict(model.get_base_model().named_modules())
    return {name: module for name, module in modules.items() if isinstance(module, LoraLayer)}


def lora_weights(layer: LoraLayer, adapter: str = ADAPTER) -> tuple[Tensor, Tensor]:
    """A (rank, in) and B (out, rank) of one layer, as they are trained."""
    return layer.lora_A[adapter].weight, layer.lora_B[adapter].weight


def scaling_of(layer: LoraLayer, adapter: str = ADAPTER) -> float:
    """What B A is multiplied by: alpha / rank, or alpha / sqrt(rank) with rslora."""
    return float(layer.scaling[adapter])


def adapted_linear(layer: LoraLayer) -> nn.Module:
    """The base's layer that a LoRA layer stands around."""
    linear: nn.Module = layer.get_base_layer()
    return linear


__all__ = [
    "ADAPTER",
    "DOCUMENTED",
    "PRIVATE_NAMES",
    "LoraLayer",
    "adapted_linear",
    "lora_layers",
    "lora_weights",
    "scaling_of",
]
