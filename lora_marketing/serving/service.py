"""What the parts of one server share: engine, models, keys, limits, metrics, and whether it is stopping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

from starlette.types import Receive

from lora_marketing.common.errors import EngineStopped, Problem
from lora_marketing.serving.disconnect import unless_disconnected
from lora_marketing.serving.errors import busy, invalid, timeout
from lora_marketing.serving.grammars import Grammars
from lora_marketing.serving.keys import Caller, KeyRing
from lora_marketing.serving.limits import Limits, RateLimits
from lora_marketing.serving.metrics import Metrics
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.served_models import Models
from lora_marketing.serving.shared_prefixes import SharedPrefixes
from lora_marketing.serving.worker import Worker, WritingEngine

ResultT = TypeVar("ResultT")
TOKENIZER_THREADS = 4


class Service:
    """One server's state.

    Args:
        engine: writes the rows.
        models: finds the adapters.
        keys: the API keys; None lets everybody in, as on a developer's own machine.
        limits: how much a request and all of them together may take.
        metrics_by_adapter: name brands and lines on the metrics page.
    """

    def __init__(
        self,
        engine: WritingEngine,
        models: Models,
        keys: KeyRing | None,
        limits: Limits | None = None,
        *,
        metrics_by_adapter: bool = False,
    ) -> None:
        self.engine = engine
        self.models = models
        self.keys = keys
        self.limits = limits or Limits()
        self.rates = RateLimits()
        self._most_rows = engine.figures().max_rows + self.limits.queue
        self.metrics = Metrics(engine, by_adapter=metrics_by_adapter)
        self.worker = Worker(engine, self._engine_died)
        self.draining = False
        self.engine_failed = False
        self.on_failure: Callable[[], None] = lambda: None
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = ThreadPoolExecutor(1, "requests")
        self._tokenizing = ThreadPoolExecutor(TOKENIZER_THREADS, "tokenizer")
        self.prefixes = SharedPrefixes(engine.base)
        self.grammars = Grammars(engine.base, self.tokenize, self.limits.grammar)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the engine's thread while the block runs."""
        self._loop = asyncio.get_running_loop()
        self.worker.start()
        try:
            yield
        finally:
            await self.grammars.close()
            await asyncio.to_thread(self.worker.stop)
            self._thread.shutdown(cancel_futures=True)
            self._tokenizing.shutdown(cancel_futures=True)

    async def in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        """Run `work`, which reads the registry or looks at texts, without holding up everybody's stream.

        There is one such thread: what it calls need not bear several.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def tokenize(self, work: Callable[[], ResultT]) -> ResultT:
        """Run `work`, which counts tokens, in one of several threads.

        All of it must use the tokenizer with the same settings: changing them is not for several threads.
        """
        return await asyncio.get_running_loop().run_in_executor(self._tokenizing, work)

    async def while_awaited(
        self, receive: Receive, request_log: RequestLog, work: Coroutine[Any, Any, ResultT]
    ) -> ResultT:
        """What `work` returns; it is cancelled when its client hangs up, or the request's time is over.

        Raises:
            ClientDisconnected: the client hung up. ApiError: 504.
        """
        try:
            async with asyncio.timeout(request_log.seconds_left(self.limits.seconds)):
                return await unless_disconnected(receive, work)
        except TimeoutError as error:
            raise timeout() from error

    @contextmanager
    def active(self) -> Iterator[None]:
        """Count a request, so that the server can wait for it when it ends."""
        self._active += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Accept no new requests and wait for running ones; after `seconds` their rows end with an error."""
        self.draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            self.worker.abandon()
            await asyncio.wait({asyncio.ensure_future(self._idle.wait())}, timeout=1)

    def caller(self, secret: str | None) -> Caller | None:
        """Whose key it is; None if it is missing or not known."""
        if self.keys is None:
            return Caller("anonymous")
        return self.keys.caller(secret) if secret else None

    def require_room(self, rows: int) -> None:
        """Refuse rows that the queue has no room for.

        Raises:
            ApiError: 503, or 400 if even an empty queue had none. EngineStopped: nothing is written any more.
        """
        if not self.worker.alive:
            raise EngineStopped(Problem("the engine has stopped"))
        if rows > self._most_rows:
            raise invalid(
                f"{rows} texts in one request; {self._most_rows} are the most.", code="too_many_rows"
            )
        if self.worker.open_rows + rows > self._most_rows:
            raise busy(retry_after=1)

    def not_ready(self) -> list[str]:
        """The reasons why this server should get no requests now; none if it should."""
        if self.keys:
            self.keys.refresh()
        reasons = {
            "stopping": self.draining,
            "the engine does not run": not self.worker.alive,
            "the file of keys is damaged": bool(self.keys and self.keys.problem),
        }
        return [reason for reason, holds in reasons.items() if holds]

    def _engine_died(self) -> None:
        self.engine_failed = True
        self._loop.call_soon_threadsafe(self.on_failure)
