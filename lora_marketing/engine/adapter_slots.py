"""Where adapters live: on disk, in host memory, and in the slots of the stacks.

A slot belongs to an adapter while rows are being written with it; a slot without rows is given to
the next adapter that needs one, the longest unused first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from lora_marketing.common.errors import AdapterRefused, Problem
from lora_marketing.engine.adapters import LayerLora, read_adapter
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.slot_memory import SlotMemory
from lora_marketing.engine.stacked_lora import BARE
from lora_marketing.registry.files import FileHashes

Layers = Mapping[str, LayerLora]


class AdapterSlots:
    """Slots for adapters, filled from host memory or disk when a row needs one.

    Args:
        base: whose shapes an adapter must have; its tensors come to the base's device.
        memory: what the slots are filled in.
        count: slots besides the bare base's.
        host_bytes: how much memory adapters without a slot may take before they are read again.
    """

    def __init__(self, base: LoadedBase, memory: SlotMemory, count: int, host_bytes: int) -> None:
        self._base = base
        self._memory = memory
        self._known: dict[str, tuple[Path, FileHashes | None]] = {}
        self._host = HostCache(host_bytes)
        self._slots: OrderedDict[str, int] = OrderedDict()  # the longest unused first
        self._rows: dict[str, int] = {}
        self._free = list(range(count, BARE, -1))
        self.ranks: dict[int, int] = {}
        self.loads = 0
        self.load_seconds = 0.0

    def register(self, key: str, folder: Path, published: FileHashes | None = None) -> None:
        """Know where an adapter's files are, and the hashes that they must have."""
        self._known[key] = folder, published

    def load(self, key: str, folder: Path, published: FileHashes | None = None) -> None:
        """Read an adapter now, in place of what `key` named before.

        Raises:
            AdapterRefused: the load gate refuses it, or rows are being written with `key`.
        """
        layers = read_adapter(folder, self._base, published)
        self.forget(key)
        self.register(key, folder, published)
        self._host.keep(key, layers)

    def prepare(self) -> None:
        """Bring in adapters that are known as long as slots are free. One that is refused stays out."""
        for key in self._known:
            if not self._free:
                return
            with suppress(AdapterRefused):  # whoever asks for it will be told
                self.hold(key)
                self.let_go(key)

    @property
    def resident(self) -> tuple[str, ...]:
        """The adapters that have a slot, the longest unused first."""
        return tuple(self._slots)

    def forget(self, key: str) -> None:
        """Give up an adapter's slot and what the host remembers of it; its folder stays known.

        Raises:
            AdapterRefused: rows are being written with it.
        """
        if self._rows.get(key):
            raise AdapterRefused(Problem("the adapter is being written with", got=key, fix="try again later"))
        self._host.drop(key)
        if key in self._slots:
            self._release(key)

    def hold(self, key: str | None) -> int | None:
        """The slot of an adapter, kept for one row until `let_go`; None if rows hold every slot.

        Raises:
            AdapterRefused: the adapter is not known, or the load gate refuses its files.
        """
        if key is None:
            return BARE
        if key not in self._slots and not self._bring_in(key):
            return None
        self._slots.move_to_end(key)
        self._rows[key] = self._rows.get(key, 0) + 1
        return self._slots[key]

    def let_go(self, key: str | None) -> None:
        """A row is done with its adapter."""
        if key is not None:
            self._rows[key] -= 1

    def _bring_in(self, key: str) -> bool:
        if key not in self._known:
            raise AdapterRefused(Problem("adapter is not loaded", got=key))
        if not self._free:
            idle = next((name for name in self._slots if not self._rows.get(name)), None)
            if idle is None:
                return False
        start = perf_counter()
        folder, published = self._known[key]
        layers = self._host.get(key) or read_adapter(folder, self._base, published)
        self._host.keep(key, layers)
        if not self._free:
            assert idle is not None
            self._release(idle)
        slot = self._free.pop()
        self._memory.fill(slot, layers, list(self._slots.values()))
        self.ranks[slot] = max(layer.a.shape[0] for layer in layers.values())
        self._slots[key] = slot
        self.loads += 1
        self.load_seconds += perf_counter() - start
        return True

    def _release(self, key: str) -> None:
        slot = self._slots.pop(key)
        self._rows.pop(key, None)
        del self.ranks[slot]
        self._free.append(slot)
        self._free.sort(reverse=True)  # neighbouring slots need no copy in a forward


class HostCache:
    """Adapters in host memory, within a limit of bytes; the longest unused leave first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: OrderedDict[str, Layers] = OrderedDict()
        self.bytes = 0

    def get(self, key: str) -> Layers | None:
        """An adapter's layers, if they are still here."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: str, layers: Layers) -> None:
        """Remember an adapter; forget others until all fit."""
        self.drop(key)
        self._kept[key] = layers
        self.bytes += _bytes(layers)
        while self.bytes > self.limit:
            self.drop(next(iter(self._kept)))

    def drop(self, key: str) -> None:
        """Forget an adapter."""
        if key in self._kept:
            self.bytes -= _bytes(self._kept.pop(key))


def _bytes(layers: Layers) -> int:
    return sum(layer.a.nbytes + layer.b.nbytes for layer in layers.values())
