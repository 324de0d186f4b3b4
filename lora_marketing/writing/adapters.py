"""Adapters as tensors: read from a version folder after the load gate, without PEFT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit
from safetensors.torch import load_file
from torch import Tensor, nn

from lora_marketing.bases.load import LoadedBase
from lora_marketing.errors import AdapterRefused, Problem
from lora_marketing.registry.gate import AdapterSpec, check_adapter, check_values
from lora_marketing.registry.version import Version


@dataclass(frozen=True)
class LayerLora:
    """One layer's low-rank update: `y = magnitude * (W x + B A x)`.

    `a` (rank, in) and `b` (out, rank), the scaling folded into `b`; `magnitude` (out,) is None
    unless the adapter is DoRA (arXiv:2402.09353, equation 5: m / ||W + B A|| per output).
    """

    a: Tensor
    b: Tensor
    magnitude: Tensor | None


def require_same_base(version: Version, base: LoadedBase) -> None:
    """Prove that a version was trained on this very base.

    Raises:
        AdapterRefused: it was not, with what differs.
    """
    wanted, here = version.manifest.base, base.pin
    if wanted.fingerprint == here.fingerprint:
        return
    parts = ("weights", "quantization", "tokenizer", "chat_template")
    differ = [part for part in parts if getattr(wanted, part) != getattr(here, part)]
    raise AdapterRefused(
        Problem(
            f"{version.name} was trained on another base",
            got=f"{wanted.id} {wanted.fingerprint[:12]} instead of {here.id} {here.fingerprint[:12]};"
            f" they differ in {', '.join(differ)}",
            fix="load the base that its manifest names, or train the brand on this one with --force",
        )
    )


def stack_dtype(base: LoadedBase) -> torch.dtype:
    """What adapters are computed in: on the CPU float32, whose small batched products take a fifth of
    the time of those in bfloat16; the base's compute dtype elsewhere."""
    return torch.float32 if base.device.type == "cpu" else base.compute_dtype


def read_adapter(folder: Path, base: LoadedBase) -> Mapping[str, LayerLora]:
    """Read an adapter's layers into host memory, by module name.

    Raises:
        AdapterRefused: the load gate found anything this base does not expect.
    """
    spec = check_adapter(folder, base.linear_shapes)
    check_values(folder)
    tensors = load_file(folder / "adapter_model.safetensors", device="cpu")
    modules = dict(base.model.named_modules())
    return {name: _layer(name, modules[name], tensors, spec, stack_dtype(base)) for name in spec.modules}


def _layer(
    name: str, module: nn.Module, tensors: Mapping[str, Tensor], spec: AdapterSpec, dtype: torch.dtype
) -> LayerLora:
    a = tensors[f"base_model.model.{name}.lora_A.weight"].float()
    b = tensors[f"base_model.model.{name}.lora_B.weight"].float() * spec.scaling
    magnitude = None
    if spec.use_dora:
        wanted = tensors[f"base_model.model.{name}.lora_magnitude_vector"].float()
        weight = dense_weight(module)
        norm = (weight + b.to(weight.device) @ a.to(weight.device)).norm(dim=1)
        magnitude = (wanted / norm.cpu()).to(dtype)
    return LayerLora(a.to(dtype), b.to(dtype), magnitude)


def dense_weight(module: nn.Module) -> Tensor:
    """(out, in) float32 weight of a linear layer, dequantized if it is NF4."""
    linear = getattr(module, "linear", module)
    if isinstance(linear, Linear4bit):
        dense: Tensor = dequantize_4bit(linear.weight.data, linear.weight.quant_state)
        return dense.float()
    assert isinstance(linear, nn.Linear)
    return linear.weight.detach().float()
