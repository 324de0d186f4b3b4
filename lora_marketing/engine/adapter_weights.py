"""Read a published adapter's weights as tensors, after the load gate and without PEFT."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from bitsandbytes.nn import Linear4bit
from torch import Tensor, nn

from lora_marketing.common.errors import AdapterRefused, Problem
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.bitsandbytes_api import dequantized
from lora_marketing.registry.adapter_check import (
    PART_A,
    PART_B,
    PART_MAGNITUDE,
    PREFIX,
    Accepted,
    AdapterSpec,
    read_adapter_file,
)
from lora_marketing.registry.files import FileHashes
from lora_marketing.registry.version import Version

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass(frozen=True)
class LayerLora:
    """One layer's low-rank update: `y = magnitude * (W x + scaling * B A x)`.

    `a` (rank, in) and `b` (out, rank) as they were published; `magnitude` (out,) in float32 is None
    unless the adapter is DoRA (arXiv:2402.09353, equation 5: m / ||W + scaling * B A|| per output).
    """

    a: Tensor
    b: Tensor
    scaling: float = 1.0
    magnitude: Tensor | None = None


def require_same_base(version: Version, base: LoadedBase) -> None:
    """Check that a version was trained on this very base.

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


def read_adapter(
    folder: Path,
    base: LoadedBase,
    published: FileHashes | None = None,
    admit: Callable[[AdapterSpec], None] | None = None,
) -> Mapping[str, LayerLora]:
    """Read an adapter's layers into host memory, by module name.

    Args:
        folder: with PEFT's two files.
        base: that it must fit.
        published: the hashes that its two files must have; None of an adapter that was not published.
        admit: asked before memory is taken for the weights; refuses by raising AdapterRefused.

    Raises:
        AdapterRefused: the load gate found anything that this base or the manifest does not expect.
    """
    accepted = read_adapter_file(folder, base.linear_shapes, published, admit)
    tensors = _tensors(accepted)
    return {name: _layer(name, accepted.spec, tensors, base) for name in accepted.spec.modules}


def _layer(name: str, spec: AdapterSpec, tensors: Mapping[str, Tensor], base: LoadedBase) -> LayerLora:
    a, b = tensors[PREFIX + name + PART_A], tensors[PREFIX + name + PART_B]
    scaling, magnitude = spec.scaling, None
    if spec.use_dora:
        wanted = tensors[PREFIX + name + PART_MAGNITUDE].float()
        weight = dense_weight(base.model.get_submodule(name))
        update = b.float().to(weight.device) @ a.float().to(weight.device)
        magnitude = wanted / (weight + scaling * update).norm(dim=1).cpu()
    return LayerLora(a, b, scaling, magnitude)


def _tensors(accepted: Accepted) -> dict[str, Tensor]:
    """The tensors of the bytes that were checked, without a copy: neighbours of one dtype are cut
    together, which is three times as fast as one by one."""
    found: dict[str, Tensor] = {}
    for dtype, run in groupby(accepted.tensors.items(), key=lambda item: item[1].dtype):
        items = list(run)
        start, sizes = items[0][1].start, [math.prod(info.shape) for _, info in items]
        flat = torch.frombuffer(accepted.raw, dtype=DTYPES[dtype], count=sum(sizes), offset=start)
        pieces = flat.split(sizes)
        found |= {name: piece.view(info.shape) for (name, info), piece in zip(items, pieces, strict=True)}
    return found


def dense_weight(module: nn.Module) -> Tensor:
    """(out, in) float32 weight of a linear layer, dequantized if it is NF4."""
    linear = getattr(module, "linear", module)
    if isinstance(linear, Linear4bit):
        return dequantized(linear)
    assert isinstance(linear, nn.Linear)
    return linear.weight.detach().float()
