"""The Writer: one base, many adapters, mixed batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import torch

from lora_marketing.bases.load import LoadedBase
from lora_marketing.errors import AdapterRefused, Problem
from lora_marketing.registry.version import Version
from lora_marketing.writing.adapters import LayerLora, read_adapter
from lora_marketing.writing.batch import Batch, Request, Written
from lora_marketing.writing.stack import Rows, StackedLora, install, remove


class Writer:
    """Writes with many adapters over one base. The adapter travels with the request.

    Threads may share a Writer: their calls wait for each other. A base has one Writer at a time.

    Args:
        base: a loaded base; the Writer puts its stacks into the model until `close`.
        max_rows: rows in one batch; more requests are written in turns.
    """

    def __init__(self, base: LoadedBase, max_rows: int = 32) -> None:
        self.base = base
        self.max_rows = max_rows
        self._lock = Lock()
        self._rows = Rows()
        self._stacks: dict[str, StackedLora] = {}
        self._adapters: dict[str, dict[str, LayerLora]] = {}
        self._slots: dict[str | None, int] = {None: 0}

    def close(self) -> None:
        """Take the stacks out: the model is the bare base again, and no adapter is loaded."""
        with self._lock:
            remove(self.base.model, self._stacks)
            self._stacks.clear()
            self._adapters.clear()
            self._slots = {None: 0}

    def load(self, version: Version) -> str:
        """Load a published version and return the key that requests name it by (its digest).

        Raises:
            AdapterRefused: the version was trained on another base, or the load gate refuses it.
        """
        wanted, here = version.manifest.base, self.base.pin
        if wanted.fingerprint != here.fingerprint:
            differ = [
                part
                for part in ("weights", "quantization", "tokenizer", "chat_template")
                if getattr(wanted, part) != getattr(here, part)
            ]
            raise AdapterRefused(
                Problem(
                    f"{version.name} was trained on another base",
                    got=f"{wanted.id} {wanted.fingerprint[:12]} instead of {here.id} {here.fingerprint[:12]};"
                    f" they differ in {', '.join(differ)}",
                    fix="load the base that its manifest names, or train the brand on this one with --force",
                )
            )
        self.load_folder(version.digest, version.folder)
        return version.digest

    def load_folder(self, key: str, folder: Path) -> None:
        """Load an adapter folder under `key`, replacing what `key` named before.

        Raises:
            AdapterRefused: the load gate refuses it; nothing that was loaded changes.
        """
        with self._lock:
            layers = dict(read_adapter(folder, self.base))
            self._stacks |= install(self.base.model, sorted(layers), self._rows)
            self._adapters[key] = layers
            self._slots = {None: 0, **{name: slot for slot, name in enumerate(self._adapters, start=1)}}
            for name, stack in self._stacks.items():
                stack.fill([adapter.get(name) for adapter in self._adapters.values()])

    def write(self, requests: Sequence[Request]) -> list[Written]:
        """Write all requests, in batches of at most `max_rows`, in the order they were given.

        A row's text depends on its prompt, adapter and sampling only: in float32 it is the same
        alone and in any batch; in bfloat16 up to rounding, which can tip a close choice.
        """
        unknown = {request.adapter for request in requests} - set(self._slots)
        if unknown:
            raise AdapterRefused(Problem("adapter is not loaded", got=", ".join(map(str, unknown))))
        order = sorted(range(len(requests)), key=lambda index: _kinship(requests[index]))
        results: dict[int, Written] = {}
        for start in range(0, len(order), self.max_rows):
            chosen = order[start : start + self.max_rows]
            with self._lock:
                written = self._write_batch([requests[index] for index in chosen])
            results.update(zip(chosen, written, strict=True))
        return [results[index] for index in range(len(requests))]

    @torch.inference_mode()
    def _write_batch(self, requests: Sequence[Request]) -> list[Written]:
        batch = Batch(self.base, requests, [self._slots[request.adapter] for request in requests])
        try:
            if batch.rows:
                batch.prefill(self._rows)
            while batch.rows:
                self._rows.slots = batch.slots
                batch.advance()
        finally:
            self._rows.slots = None
        return batch.written()


def _kinship(request: Request) -> tuple[str, Sequence[int]]:
    """Sorts requests so that those that share a prefix fall into the same batch."""
    return request.adapter or "", list(request.prompt)
