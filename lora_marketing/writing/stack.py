"""Stacked LoRA: one linear layer with an adapter per slot, chosen per row of the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lora_marketing.writing.adapters import LayerLora


class Rows:
    """Which slot each row of the running forward uses. Shared by all layers of one Writer.

    Slot 0 is the bare base.
    """

    def __init__(self) -> None:
        self.slots: Tensor | None = None


class StackedLora(nn.Module):
    """A base linear layer and the low-rank updates of all loaded adapters.

    `a` (slots, rank, in) and `b` (slots, out, rank) are zero in slot 0 and padded with zeros to
    the largest rank, which changes nothing: a zero column of B times anything is zero.
    """

    def __init__(self, linear: nn.Linear, rows: Rows) -> None:
        super().__init__()
        self.linear = linear
        self.rows = rows
        self.a: Tensor | None = None
        self.b: Tensor | None = None
        self.magnitude: Tensor | None = None

    def fill(self, layers: Sequence[LayerLora | None]) -> None:
        """Stack `layers` into slots 1, 2, ...; None leaves a slot as the bare base."""
        present = [layer for layer in layers if layer is not None]
        if not present:
            self.a = self.b = self.magnitude = None
            return
        rank = max(layer.a.shape[0] for layer in present)
        like = present[0].a
        out = self.linear.out_features
        self.a = like.new_zeros(len(layers) + 1, rank, self.linear.in_features)
        self.b = like.new_zeros(len(layers) + 1, out, rank)
        scaled = any(layer.magnitude is not None for layer in present)
        self.magnitude = like.new_ones(len(layers) + 1, out) if scaled else None
        for slot, layer in enumerate(layers, start=1):
            if layer is None:
                continue
            self.a[slot, : layer.a.shape[0]] = layer.a
            self.b[slot, :, : layer.b.shape[1]] = layer.b
            if self.magnitude is not None and layer.magnitude is not None:
                self.magnitude[slot] = layer.magnitude

    def forward(self, x: Tensor) -> Tensor:
        """(rows, tokens, in) to (rows, tokens, out), each row with its slot's adapter."""
        y: Tensor = self.linear(x)
        slots = self.rows.slots
        if slots is None or self.a is None or self.b is None:
            return y
        down = torch.bmm(x.to(self.a.dtype), self.a[slots].mT)
        update = torch.bmm(down, self.b[slots].mT).to(y.dtype)
        if self.magnitude is None:
            return y + update
        return self._rescaled(y, update, self.magnitude[slots][:, None].to(y.dtype))

    def _rescaled(self, y: Tensor, update: Tensor, magnitude: Tensor) -> Tensor:
        """DoRA's `m / ||W'|| * (W x + B A x)`; the bias is not rescaled.

        Rows without DoRA have magnitude 1 and keep every bit: the bias is never taken off theirs.
        """
        bias = self.linear.bias
        if bias is None:
            return magnitude * (y + update)
        return y + update + (magnitude - 1) * (y - bias + update)


def install(model: nn.Module, names: Sequence[str], rows: Rows) -> dict[str, StackedLora]:
    """Put a StackedLora in the place of every named linear layer.

    Raises:
        RuntimeError: stacks with other rows are in the model; nothing was changed.
    """
    if any(isinstance(module, StackedLora) and module.rows is not rows for module in model.modules()):
        raise RuntimeError("another Writer works on this base: close it first")
    stacks = {}
    for name in names:
        parent_name, _, child = name.rpartition(".")
        parent = model.get_submodule(parent_name)
        linear = getattr(parent, child)
        stacks[name] = linear if isinstance(linear, StackedLora) else StackedLora(linear, rows)
        setattr(parent, child, stacks[name])
    return stacks


def remove(model: nn.Module, stacks: Mapping[str, StackedLora]) -> None:
    """Undo `install`: the model is the bare base again."""
    for name, stack in stacks.items():
        parent_name, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent_name), child, stack.linear)
