"""The Writer: one base, many adapters, and a list of requests that is answered as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Lock

from lora_marketing.common.errors import AdapterRefused, Problem, RowFailed
from lora_marketing.engine.adapter_weights import require_same_base
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.engine import Engine
from lora_marketing.engine.request import Progress, Request, RowOutput
from lora_marketing.registry.files import FileHashes
from lora_marketing.registry.version import Version


class Writer:
    """Writes with many adapters over one base. The adapter travels with the request.

    Threads may share a Writer: their calls wait for each other. The base is not changed.

    Args:
        base: a loaded base.
        max_rows: rows that are written together; as one ends, the next begins.
    """

    def __init__(self, base: LoadedBase, max_rows: int = 32) -> None:
        self.base = base
        self._lock = Lock()
        self._new: Callable[[], Engine] = partial(Engine, base, max_rows=max_rows, adapter_slots=max_rows)
        self._engine = self._new()
        self._loaded: set[str | None] = {None}

    def close(self) -> None:
        """Forget all adapters and everything that was computed."""
        with self._lock:
            self._engine = self._new()
            self._loaded = {None}

    def load(self, version: Version) -> str:
        """Load a published version and return the key that requests name it by (its digest).

        Raises:
            AdapterRefused: the version was trained on another base, or the load gate refuses it.
        """
        require_same_base(version, self.base)
        self.load_folder(version.digest, version.folder, version.hashes)
        return version.digest

    def load_folder(self, key: str, folder: Path, published: FileHashes | None = None) -> None:
        """Load an adapter folder under `key`, replacing what `key` named before.

        With `published`, its files must have these hashes.

        Raises:
            AdapterRefused: the load gate refuses it; nothing that was loaded changes.
        """
        with self._lock:
            self._engine.load(key, folder, published)
            self._loaded.add(key)

    def write(self, requests: Sequence[Request]) -> list[RowOutput]:
        """Write all requests and return them in the order they were given.

        A row's text depends on its prompt, adapter, sampling and constraints only: in float32 it is
        the same alone and in any batch; in bfloat16 up to rounding, which can tip a close choice.

        Raises:
            AdapterRefused: an adapter is not loaded, or what it computes is not finite.
        """
        unknown = {request.adapter for request in requests} - self._loaded
        if unknown:
            raise AdapterRefused(Problem("adapter is not loaded", got=", ".join(map(str, unknown))))
        last_progress: dict[int, Progress] = {}
        # rows of one adapter next to each other: the fewer adapters in a forward, the less it costs
        order = sorted(range(len(requests)), key=lambda index: requests[index].adapter or "")
        with self._lock:
            for index in order:
                self._engine.submit(requests[index], partial(last_progress.__setitem__, index))
            self._run()
        return [_written(last_progress[index]) for index in range(len(requests))]

    def _run(self) -> None:
        done = False
        try:
            while self._engine.step():
                pass
            done = True
        finally:
            if not done:
                self._engine.abandon()


def _written(last: Progress) -> RowOutput:
    if isinstance(last.error, RowFailed) and last.error.__cause__:
        raise last.error.__cause__
    if last.error:
        raise last.error
    assert last.written is not None
    return last.written
