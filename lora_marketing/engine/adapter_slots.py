"""Which adapter is in which slot of the stacks; the others are in host memory or on disk.

A slot belongs to an adapter while rows are being written with it. A slot without rows is given to the
next adapter that needs one, the least recently used first.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

from lora_marketing.common.errors import AdapterRefused, AdapterTooLarge, Problem
from lora_marketing.engine.adapter_weights import LayerLora, read_adapter
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.slot_memory import Extent, SlotMemory
from lora_marketing.engine.stacked_lora import BARE
from lora_marketing.registry.adapter_check import AdapterSpec
from lora_marketing.registry.files import CONFIG, WEIGHTS, FileHashes

Layers = Mapping[str, LayerLora]
FileState = tuple[int, int, int, int]
"""Device, inode, size and time of change of a file."""

SIDE_BY_SIDE = 4
"""An adapter is refused if so many like it, or as many as are known, have no room together."""


@dataclass(frozen=True)
class AdapterSource:
    """Where an adapter's files are, and the hashes that they must have, if it was published."""

    folder: Path
    published: FileHashes | None

    def state(self) -> tuple[FileState | None, ...]:
        """What changes if somebody changes the files."""
        return tuple(_state(self.folder / name) for name in (CONFIG, WEIGHTS))


@dataclass(frozen=True)
class Refusal:
    """Why an adapter was refused, and of which files that is true."""

    source: AdapterSource
    state: tuple[FileState | None, ...]
    error: AdapterRefused


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
        self._count = count
        self._known: dict[str, AdapterSource] = {}
        self._refused: dict[str, Refusal] = {}
        self._host = HostCache(host_bytes)
        self._slots: OrderedDict[str, int] = OrderedDict()  # the least recently used first
        self._rows: dict[str, int] = {}
        self._free = list(range(count, BARE, -1))
        self.ranks: dict[int, int] = {}
        self.loads = 0
        self.load_seconds = 0.0

    def register(self, key: str, folder: Path, published: FileHashes | None = None) -> None:
        """Know where an adapter's files are, and the hashes that they must have."""
        self._known[key] = AdapterSource(folder, published)

    def load(self, key: str, folder: Path, published: FileHashes | None = None) -> None:
        """Read an adapter now, in place of what `key` named before.

        Raises:
            AdapterRefused: the load gate refuses it, there is no memory for it, or rows are being written
                with `key`.
        """
        layers = self._read(AdapterSource(folder, published), key)
        self.forget(key)
        self.register(key, folder, published)
        self._host.keep(key, layers)

    def prepare(self) -> None:
        """Load registered adapters as long as slots are free. One that is refused stays out."""
        for key in self._known:
            if not self._free:
                return
            with suppress(AdapterRefused):  # whoever asks for it will be told
                if self.hold(key) is not None:
                    self.let_go(key)

    @property
    def resident(self) -> tuple[str, ...]:
        """Keys of the adapters that have a slot, the least recently used first."""
        return tuple(self._slots)

    def forget(self, key: str) -> None:
        """Free an adapter's slot and its host memory; it stays registered.

        Raises:
            AdapterRefused: rows are being written with it.
        """
        if self._rows.get(key):
            raise AdapterRefused(Problem("the adapter is being written with", got=key, fix="try again later"))
        self._host.drop(key)
        if key in self._slots:
            self._release(key)

    def hold(self, key: str | None) -> int | None:
        """The slot of an adapter, kept for one row until `let_go`; None if rows hold every slot, or the
        memory for one more.

        Raises:
            AdapterRefused: the adapter is not known, the load gate refuses its files, or there is no memory
                for an adapter of its rank. What was refused once is refused again without a look into
                its files, as long as nobody changes them.
        """
        if key is None:
            return BARE
        if key not in self._slots and not self._load_into_slot(key):
            return None
        self._slots.move_to_end(key)
        self._rows[key] = self._rows.get(key, 0) + 1
        return self._slots[key]

    def let_go(self, key: str | None) -> None:
        """End one row's reservation."""
        if key is not None:
            self._rows[key] -= 1

    def _load_into_slot(self, key: str) -> bool:
        if key not in self._known:
            raise AdapterRefused(Problem("adapter is not loaded", got=key))
        start = perf_counter()
        source = self._known[key]
        self._require_not_refused(key, source)
        if not self._free and self._idle() is None:
            return False
        layers = self._host.get(key)
        if layers is None:
            before = source.state()
            try:
                layers = self._read(source, key)
            except AdapterTooLarge:
                raise
            except AdapterRefused as error:
                self._refused[key] = Refusal(source, before, error)
                raise
        self._host.keep(key, layers)
        if not self._make_room(Extent.of(layers)):
            return False
        slot = self._free[-1]
        with self._memory_told(key):
            try:
                self._memory.fill(slot, layers)
                self._slots[key] = self._free.pop()
            finally:
                if key not in self._slots:
                    self._memory.clear(slot)
        self.ranks[slot] = Extent.of(layers).rank
        self.loads += 1
        self.load_seconds += perf_counter() - start
        return True

    def _require_not_refused(self, key: str, source: AdapterSource) -> None:
        refusal = self._refused.get(key)
        if refusal is None:
            return
        if refusal.source == source and refusal.state == source.state():
            raise AdapterRefused(refusal.error.problems)
        del self._refused[key]

    def _read(self, source: AdapterSource, key: str) -> Layers:
        with self._memory_told(key):
            admit = partial(self._require_allowed, where=str(source.folder))
            return read_adapter(source.folder, self._base, source.published, admit)

    def _require_allowed(self, spec: AdapterSpec, where: str) -> None:
        """Refuse an adapter that would leave no room for others, before any memory is taken for it."""
        extent = Extent(spec.rank, frozenset(spec.modules))
        beside = max(1, min(self._count, SIDE_BY_SIDE, len(self._known)))
        needed, allowed = self._memory.bytes_for(beside + 1, extent), self._memory.allowed
        if needed > allowed:
            what = f"rank {spec.rank} on {len(spec.modules)} layers needs too much memory"
            limit = f"{allowed:,} bytes for the slots of all adapters"
            fix = "train it with a lower lora.rank or on fewer layers, or use it where more memory is free"
            got = f"{needed:,} bytes for {beside} of them side by side" if beside > 1 else f"{needed:,} bytes"
            raise AdapterRefused(Problem(what, where, got, limit, fix))

    def _make_room(self, extent: Extent) -> bool:
        """Free a slot, and memory for this extent: of adapters without rows first the one with the largest
        rank, for what it costs all others, else the longest unused. False if rows hold them."""
        while not self._free or not self._memory.fits(self._free[-1], extent):
            idle = self._idle() if not self._free else self._idle(largest=True)
            if idle is None:
                return False
            self._release(idle)
        return True

    def _idle(self, largest: bool = False) -> str | None:
        """The adapter without rows that is unused longest, or the one of the largest rank."""
        idle = [name for name in self._slots if not self._rows.get(name)]
        return (
            max(idle, key=lambda name: self.ranks[self._slots[name]], default=None)
            if largest
            else next(iter(idle), None)
        )

    @contextmanager
    def _memory_told(self, key: str) -> Iterator[None]:
        """Memory that cannot be had is this adapter's failure, and nobody else's."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not (isinstance(error, MemoryError) or "memory" in str(error).lower()):
                raise
            fix = "free memory, or train it with a lower lora.rank; others are written as before"
            problem = Problem("there is no memory for the adapter", got=key, fix=fix)
            raise AdapterTooLarge(problem) from error

    def _release(self, key: str) -> None:
        slot = self._slots.pop(key)
        self._memory.clear(slot)
        self._rows.pop(key, None)
        del self.ranks[slot]
        self._free.append(slot)
        self._free.sort(reverse=True)  # neighbouring slots need no copy in a forward


class HostCache:
    """Adapters in host memory, within a limit of bytes; the least recently used leave first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: OrderedDict[str, Layers] = OrderedDict()
        self.bytes = 0

    def get(self, key: str) -> Layers | None:
        """An adapter's layers, or None if they have left."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def keep(self, key: str, layers: Layers) -> None:
        """Put an adapter in; drop others until all fit."""
        self.drop(key)
        self._kept[key] = layers
        self.bytes += _bytes(layers)
        while self.bytes > self.limit:
            self.drop(next(iter(self._kept)))

    def drop(self, key: str) -> None:
        """Take an adapter out, if it is there."""
        if key in self._kept:
            self.bytes -= _bytes(self._kept.pop(key))


def _bytes(layers: Layers) -> int:
    return sum(layer.a.nbytes + layer.b.nbytes for layer in layers.values())


def _state(path: Path) -> FileState | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns
