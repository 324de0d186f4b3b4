"""What the parts of one server share: engine, models, keys, limits, metrics, and whether it is stopping."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

from starlette.types import Receive

from lora_marketing.common.errors import EngineStopped, Problem
from lora_marketing.serving.disconnect import unless_disconnected
from lora_marketing.serving.errors import busy, invalid, rate_limited, timeout, too_many_requests
from lora_marketing.serving.grammars import Grammars
from lora_marketing.serving.guard_pool import Checker, GuardPool, guard_processes
from lora_marketing.serving.keys import Caller, KeyRing
from lora_marketing.serving.limits import Limits, RateLimits
from lora_marketing.serving.metrics import Metrics
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.served_models import Models
from lora_marketing.serving.shared_prefixes import SharedPrefixes
from lora_marketing.serving.turns import Turns
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
        guards: what checks texts; None starts processes that do.
    """

    def __init__(
        self,
        engine: WritingEngine,
        models: Models,
        keys: KeyRing | None,
        limits: Limits | None = None,
        *,
        metrics_by_adapter: bool = False,
        guards: Sequence[Checker] | None = None,
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
        self.start_at_once = False
        self.starting: asyncio.Task[None] | None = None
        self.engine_failed = False
        self.on_failure: Callable[[], None] = lambda: None
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._requests: Counter[str] = Counter()
        self.turns = Turns()
        self._registry_turns, self._tokenizer_turns = Turns(), Turns()
        self._thread = ThreadPoolExecutor(1, "requests")
        self._tokenizing = ThreadPoolExecutor(TOKENIZER_THREADS, "tokenizer")
        self.prefixes = SharedPrefixes(engine.base)
        self.grammars = Grammars(engine.base, self.tokenize, self.limits.grammar)
        self.guards = GuardPool(guards or guard_processes(models.root, self.limits.guard), self.limits.guard)

    async def _start(self) -> None:
        """Start what would be started by the first requests; until then the server is not ready."""
        with suppress(EngineStopped):  # readiness says so
            await self.guards.start()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the engine's thread while the block runs."""
        self._loop = asyncio.get_running_loop()
        self.worker.start()
        self.starting = asyncio.create_task(self._start()) if self.start_at_once else None
        try:
            yield
        finally:
            await self.grammars.close()
            await self.guards.close()
            await asyncio.to_thread(self.worker.stop)
            self._thread.shutdown(cancel_futures=True)
            self._tokenizing.shutdown(cancel_futures=True)

    async def in_thread(self, work: Callable[[], ResultT], client: str) -> ResultT:
        """Run `work`, which reads the registry, without holding up everybody's stream.

        There is one such thread: what it calls need not bear several. Of a client one thing waits for it.
        """
        return await self._registry_turns.run(client, self._thread, work)

    async def tokenize(self, work: Callable[[], ResultT], client: str) -> ResultT:
        """Run `work`, which counts tokens, in one of several threads, of which a client has one at most.

        All of it must use the tokenizer with the same settings: changing them is not for several threads.
        """
        return await self._tokenizer_turns.run(client, self._tokenizing, work)

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

    @contextmanager
    def one_more_request(self, caller: Caller) -> Iterator[None]:
        """Count a request of a key while it is answered.

        Raises:
            ApiError: 429 if the key has too many.
        """
        if self._requests[caller.id] >= self.limits.requests:
            raise too_many_requests(self.limits.requests)
        self._requests[caller.id] += 1
        try:
            yield
        finally:
            self._requests[caller.id] -= 1
            if not self._requests[caller.id]:
                del self._requests[caller.id]

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

    def require_room(self, rows: int, caller: Caller) -> None:
        """Refuse rows that a client's queue has no room for; count the others, the first of them not again.

        Raises:
            ApiError: 503, or 400 if even an empty queue had none; 429 if they are more than the key may have
                in a minute. EngineStopped: nothing is written any more.
        """
        if not self.worker.alive:
            raise EngineStopped(Problem("the engine has stopped"))
        if rows > self._most_rows:
            raise invalid(
                f"{rows} texts in one request; {self._most_rows} are the most.", code="too_many_rows"
            )
        if self.worker.open_rows_of(caller.id) + rows > self._most_rows:
            raise busy(retry_after=1)
        if rows > 1 and (seconds := self.rates.take(caller, rows - 1)):
            raise rate_limited(caller.per_minute or 0, seconds)

    def not_ready(self) -> list[str]:
        """The reasons why this server should get no requests now; none if it should."""
        if self.keys:
            self.keys.refresh()
        reasons = {
            "stopping": self.draining,
            "the engine does not run": not self.worker.alive,
            "starting": bool(self.starting and not self.starting.done()),
            "the processes that check texts do not start": self.guards.fails,
            "the processes that try schemas do not start": self.grammars.fails,
            "the file of keys is damaged": bool(self.keys and self.keys.problem),
        }
        return [reason for reason, holds in reasons.items() if holds]

    def _engine_died(self) -> None:
        self.engine_failed = True
        self._loop.call_soon_threadsafe(self.on_failure)
