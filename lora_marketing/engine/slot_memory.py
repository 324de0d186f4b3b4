"""The tensors behind the stacks: a slot is one row of memory, in which an adapter's layers lie side by side.

So loading an adapter allocates nothing, and on the CPU it writes into few large pages: the first touch of
20 MB in small ones takes longer than reading and checking the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lora_marketing.engine.adapter_weights import LayerLora
from lora_marketing.engine.stacked_lora import BARE, StackedLora
from lora_marketing.planning.devices import free_memory

SHARE = 0.25
"""Of the memory that is free when an engine begins. Growing needs old and new for a moment, and prompts
and adapters without a slot lie in the rest."""


def allowance(device: torch.device) -> int:
    """The bytes that slots may take on `device`."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
    return int(free * SHARE)


@dataclass(frozen=True)
class Extent:
    """How much of a slot an adapter takes: its rank, and the layers that it sits on."""

    rank: int
    layers: frozenset[str]

    @classmethod
    def of(cls, layers: Mapping[str, LayerLora]) -> Extent:
        """The extent of an adapter that was read."""
        return cls(max((len(layer.a) for layer in layers.values()), default=0), frozenset(layers))

    def __or__(self, other: Extent) -> Extent:
        return Extent(max(self.rank, other.rank), self.layers | other.layers)


class SlotMemory:
    """Fills slots of stacks with adapters' layers.

    It grows when an adapter has a larger rank or other layers than those before, and shrinks when it
    grows anew without them. A slot holds zeros up to the largest rank, which change nothing: a zero row
    of B times anything is zero. A slot that was never filled is uninitialised memory, and never read.

    Args:
        stacks: the layers, by module name.
        slots: how many, the bare base's included.
        dtype: what adapters are computed in.
        allowed: bytes that all slots may take together; None asks what is free.
    """

    def __init__(
        self,
        stacks: Mapping[str, StackedLora],
        slots: int,
        dtype: torch.dtype,
        allowed: int | None = None,
    ) -> None:
        self._stacks = stacks
        self._slots = slots
        self._dtype = dtype
        self._device = next(iter(stacks.values())).linear.weight.device
        self.allowed = allowance(self._device) if allowed is None else allowed
        self._held: dict[int, Extent] = {}
        self._layers: tuple[str, ...] = ()
        self._reach = self._rank = 0
        self._all_b = torch.empty(0)

    def bytes_for(self, slots: int, extent: Extent) -> int:
        """What so many slots of this extent take, the bare base's included."""
        return slots * self._width(extent.layers) * extent.rank * self._dtype.itemsize

    def fits(self, slot: int, extent: Extent) -> bool:
        """Whether an adapter may lie in `slot` beside those that are there."""
        return self.bytes_for(self._least_reach(slot), self._together(slot, extent)) <= self.allowed

    def fill(self, slot: int, layers: Mapping[str, LayerLora]) -> None:
        """Put an adapter into a slot. The others keep what they hold.

        Raises:
            MemoryError, RuntimeError: there is no memory to be had; nothing has changed.
        """
        extent = Extent.of(layers)
        whole = Extent(self._rank, frozenset(self._layers))
        too_large = self.bytes_for(self._reach, whole) > self.allowed
        if slot >= self._reach or too_large or (whole | extent) != whole:
            self._grow(slot, self._together(slot, extent))
        self._held[slot] = extent
        for name in self._layers:
            _put(self._stacks[name], slot, layers.get(name))
        for scaling in {layer.scaling for layer in layers.values()}:  # the gate lets one pass
            self._all_b[slot] *= scaling

    def clear(self, slot: int) -> None:
        """What lies in a slot is needed no more."""
        self._held.pop(slot, None)

    def _grow(self, slot: int, extent: Extent) -> None:
        """Take new memory, and move what the filled slots hold into it."""
        layers = tuple(sorted(extent.layers))
        reach = self._reach_for(self._least_reach(slot), extent)
        stacks = [self._stacks[name] for name in layers]
        inner = [stack.linear.in_features for stack in stacks]
        outer = [stack.linear.out_features for stack in stacks]
        memory = self._empty(reach, (sum(inner) + sum(outer)) * extent.rank)
        kept = [BARE, *(other for other in self._held if other != slot)]
        memory[kept] = 0
        parts = memory.split([width * extent.rank for width in (*inner, *outer)], dim=1)
        magnitudes = {
            name: torch.ones(reach, stack.linear.out_features, dtype=self._dtype, device=self._device)
            for name, stack in zip(layers, stacks, strict=True)
            if stack.magnitude is not None
        }
        # all memory is there: from here on nothing fails halfway
        for name in set(self._layers) - set(layers):
            self._stacks[name].empty()
        for name, stack, a, b in zip(layers, stacks, parts, parts[len(stacks) :], strict=False):
            stack.a = _moved(stack.a, a.unflatten(1, (extent.rank, -1)), kept)
            stack.b = _moved(stack.b, b.unflatten(1, (-1, extent.rank)), kept)
            if name in magnitudes:
                stack.magnitude = _moved(stack.magnitude, magnitudes[name], kept)
            stack.changed()
        self._layers, self._rank, self._reach = layers, extent.rank, reach
        self._all_b = memory[:, sum(inner) * extent.rank :]

    def _width(self, layers: Iterable[str]) -> int:
        linears = (self._stacks[name].linear for name in layers)
        return sum(linear.in_features + linear.out_features for linear in linears)

    def _together(self, slot: int, extent: Extent) -> Extent:
        for other, held in self._held.items():
            extent = extent if other == slot else extent | held
        return extent

    def _least_reach(self, slot: int) -> int:
        return max(slot, BARE, *self._held, 0) + 1

    def _reach_for(self, least: int, extent: Extent) -> int:
        """How many slots to make: as many as there may be, as far as memory allows."""
        # memory that was never touched costs nothing on a CPU; a GPU's is taken as it is needed
        wanted = (
            self._slots if self._device.type == "cpu" else min(self._slots, 1 << (least - 1).bit_length())
        )
        return max(least, min(wanted, self.allowed // max(1, self.bytes_for(1, extent))))

    def _empty(self, slots: int, width: int) -> Tensor:
        if self._device.type != "cpu":
            return torch.empty(slots, width, dtype=self._dtype, device=self._device)
        # numpy asks the system for large pages, which torch does not
        raw = np.empty(slots * width * self._dtype.itemsize, np.uint8)
        return torch.from_numpy(raw).view(self._dtype).view(slots, width)


def _moved(old: Tensor | None, new: Tensor, kept: Sequence[int]) -> Tensor:
    """The new tensor, with what the kept slots hold in the old one, which may be smaller, or larger by
    zeros."""
    if old is not None:
        place = tuple(slice(min(sizes)) for sizes in zip(old.shape[1:], new.shape[1:], strict=True))
        for slot in kept:
            if slot < len(old):
                new[slot][place] = old[slot][place]
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
