"""The tensors behind the stacks: a slot is one row of memory, in which an adapter's layers lie side by side.

So loading an adapter allocates nothing, and on the CPU it writes into few large pages: the first touch of
20 MB in small ones takes longer than reading and checking the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from lora_marketing.engine.adapter_weights import LayerLora
from lora_marketing.engine.stacked_lora import BARE, StackedLora


class SlotMemory:
    """Fills slots of stacks with adapters' layers.

    It grows when an adapter has a larger rank or other layers than those before. A slot holds zeros
    up to the largest rank, which change nothing: a zero row of B times anything is zero. A slot that
    was never filled is uninitialised memory, and never read.

    Args:
        stacks: the layers, by module name.
        slots: how many, the bare base's included.
        dtype: what adapters are computed in.
    """

    def __init__(self, stacks: Mapping[str, StackedLora], slots: int, dtype: torch.dtype) -> None:
        self._stacks = stacks
        self._slots = slots
        self._dtype = dtype
        self._device = next(iter(stacks.values())).linear.weight.device
        self._layers: tuple[str, ...] = ()
        self._reach = self._rank = 0
        self._all_b = torch.empty(0)

    def fill(self, slot: int, layers: Mapping[str, LayerLora], filled: Sequence[int]) -> None:
        """Put an adapter into a slot. `filled` are the other slots in use, which keep what they hold."""
        rank = max((len(layer.a) for layer in layers.values()), default=0)
        if slot >= self._reach or rank > self._rank or not layers.keys() <= set(self._layers):
            self._grow(slot, rank, layers, filled)
        for name in self._layers:
            _put(self._stacks[name], slot, layers.get(name))
        for scaling in {layer.scaling for layer in layers.values()}:  # the gate lets one pass
            self._all_b[slot] *= scaling

    def _grow(self, slot: int, rank: int, layers: Mapping[str, LayerLora], filled: Sequence[int]) -> None:
        """Take new memory, and move what the filled slots hold into it."""
        self._layers = tuple(sorted({*self._layers, *layers}))
        self._rank = max(self._rank, rank)
        self._reach = max(self._reach, self._slots_for(max(slot, *filled, BARE)))
        stacks = [self._stacks[name] for name in self._layers]
        inner = [stack.linear.in_features for stack in stacks]
        outer = [stack.linear.out_features for stack in stacks]
        memory = self._empty(self._reach, (sum(inner) + sum(outer)) * self._rank)
        kept = [BARE, *filled]
        memory[kept] = 0
        parts = memory.split([width * self._rank for width in (*inner, *outer)], dim=1)
        self._all_b = memory[:, sum(inner) * self._rank :]
        for stack, a, b in zip(stacks, parts, parts[len(stacks) :], strict=False):
            stack.a = _moved(stack.a, a.unflatten(1, (self._rank, -1)), kept)
            stack.b = _moved(stack.b, b.unflatten(1, (-1, self._rank)), kept)
            if stack.magnitude is not None:
                stack.magnitude = _moved(stack.magnitude, torch.ones_like(stack.b[..., 0]), kept)
            stack.changed()

    def _slots_for(self, slot: int) -> int:
        # memory that was never touched costs nothing on a CPU; a GPU's is taken as it is needed
        return self._slots if self._device.type == "cpu" else min(self._slots, 1 << slot.bit_length())

    def _empty(self, slots: int, width: int) -> Tensor:
        if self._device.type != "cpu":
            return torch.empty(slots, width, dtype=self._dtype, device=self._device)
        # numpy asks the system for large pages, which torch does not
        raw = np.empty(slots * width * self._dtype.itemsize, np.uint8)
        return torch.from_numpy(raw).view(self._dtype).view(slots, width)


def _moved(old: Tensor | None, new: Tensor, kept: Sequence[int]) -> Tensor:
    """The new tensor, with what the kept slots hold in the old one, which may be smaller."""
    if old is not None:
        place = tuple(slice(size) for size in old.shape[1:])
        for slot in kept:
            if slot < len(old):
                new[slot][place] = old[slot]
    return new


def _put(stack: StackedLora, slot: int, layer: LayerLora | None) -> None:
    """One layer of an adapter, not scaled yet; None leaves it as the bare base."""
    stack.changed()
    assert stack.a is not None
    assert stack.b is not None
    a, b = stack.a[slot], stack.b[slot]
    rank = 0 if layer is None else len(layer.a)
    if rank < len(a):
        a[rank:] = 0
        b[:, rank:] = 0
    if layer is not None:
        a[:rank] = layer.a
        b[:, :rank] = layer.b
        if layer.magnitude is not None and stack.magnitude is None:
            stack.magnitude = torch.ones_like(stack.b[..., 0])
    if stack.magnitude is not None:
        stack.magnitude[slot] = 1 if layer is None or layer.magnitude is None else layer.magnitude
