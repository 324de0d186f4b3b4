"""The one thread that steps the engine. Every row it took gets a last progress, whatever happens."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event, Lock, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from lora_marketing.common.errors import EngineStopped, Problem

if TYPE_CHECKING:
    from lora_marketing.engine.base import LoadedBase
    from lora_marketing.engine.request import Progress, Request
    from lora_marketing.engine.stats import EngineStats
    from lora_marketing.registry.version import Version

    Listen = Callable[[Progress], None]

LOG = logging.getLogger(__name__)
PAUSE = 0.25
"""Seconds an idle engine waits at a time: how soon its thread notices that it should stop."""
STUCK = 30.0
"""Seconds a last step may take; a process does not wait for a device that hangs."""


class SubmittedRow(Protocol):
    """A row that was submitted and can be cancelled."""

    def cancel(self) -> None:
        """End the row before the next forward, with finish `cancelled`. From any thread."""


class WritingEngine(Protocol):
    """What serving needs of an engine. Only one thread calls `step` and `wait`; the rest is free."""

    @property
    def base(self) -> LoadedBase:
        """The base that all rows are written on."""

    @property
    def context(self) -> int:
        """Most tokens of prompt and text together."""

    @property
    def vocabulary(self) -> int:
        """Token ids below this one can be read."""

    def register(self, version: Version) -> str:
        """Make a version known and return the key that requests name it by. Cheap.

        Raises:
            AdapterRefused: it was trained on another base.
        """

    def submit(self, request: Request, listen: Listen) -> SubmittedRow:
        """Queue a row and return at once; `listen` gets its progress in the thread that steps."""

    def step(self) -> bool:
        """Compute one forward for all rows; False if there was nothing to do."""

    def wait(self, timeout: float) -> None:
        """Block until a row was submitted or cancelled, or `timeout` seconds passed."""

    def figures(self) -> EngineStats:
        """Counters and the present state."""


class Worker:
    """Steps an engine in a thread of its own.

    Whatever happens to that thread, every row it took gets exactly one last progress, so nobody waits
    for a dead engine.

    Args:
        engine: what to step.
        died: called from the thread if a step raised.
    """

    def __init__(self, engine: WritingEngine, died: Callable[[], None]) -> None:
        self.engine = engine
        self._died = died
        self._open: dict[object, Listen] = {}
        self._open_of: Counter[str] = Counter()
        self._lock = Lock()
        self._stopping = Event()
        self._over = False
        self._thread = Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        """Begin to step."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the step it is in; rows still open end with an error. Blocks until then."""
        self._stopping.set()
        self._thread.join(STUCK)

    @property
    def alive(self) -> bool:
        """Whether rows submitted now will be written."""
        return self._thread.is_alive() and not self._over

    @property
    def open_rows(self) -> int:
        """Rows submitted and not yet ended, running or waiting."""
        return len(self._open)

    def open_rows_of(self, client: str) -> int:
        """The same of one client."""
        return self._open_of[client]

    def submit(self, request: Request, listen: Listen) -> SubmittedRow:
        """Submit a row. `listen` gets its progress in the engine's thread; in the last one `written` is set.

        Raises:
            EngineStopped: nothing is written any more.
        """
        place = object()
        with self._lock:
            if self._over:
                raise EngineStopped(Problem("the engine has stopped"))
            self._open[place] = listen
            self._open_of[request.client] += 1
        # not under the lock: the engine may hold its own while it calls back
        return self.engine.submit(request, lambda progress: self._pass_on(place, request.client, progress))

    def abandon(self) -> None:
        """End every open row with an error. The engine may go on; nobody listens."""
        from lora_marketing.engine.request import Progress, RowOutput

        with self._lock:
            left, self._open = self._open, {}
            self._open_of.clear()
        error = EngineStopped(Problem("the engine stopped before the text was written"))
        for listen in left.values():
            listen(Progress("", 0, RowOutput((), "", "failed"), error))

    def _pass_on(self, place: object, client: str, progress: Progress) -> None:
        with self._lock:
            listen = self._open.get(place)
            if listen and progress.written:
                del self._open[place]
                self._open_of[client] -= 1
                if not self._open_of[client]:
                    del self._open_of[client]
        if listen:
            listen(progress)

    def _run(self) -> None:
        with ExitStack() as stack:
            stack.push(self._ended)
            while not self._stopping.is_set():
                if not self.engine.step():
                    self.engine.wait(PAUSE)

    def _ended(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Runs however the loop ended. A fault is logged here and does not leave the thread."""
        with self._lock:
            self._over = True
        if error is not None:
            LOG.critical("the engine failed", exc_info=error)
            self._died()  # first, so that waiting requests answer 500 and not 503
        self.abandon()
        return True
