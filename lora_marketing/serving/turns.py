"""Turns: of one client one thing is done at a time, so that nobody fills a pool that all clients share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar
from weakref import WeakValueDictionary

ResultT = TypeVar("ResultT")


class Turns:
    """A lock for each client, kept while it is used. Used from one event loop."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, client: str) -> asyncio.Lock:
        """The lock of a client."""
        return self._locks.setdefault(client, asyncio.Lock())

    async def run(self, client: str, pool: Executor, work: Callable[[], ResultT]) -> ResultT:
        """Run `work` in a thread of `pool` when it is the client's turn.

        The turn lasts until the thread is free again, also if nobody waits for the result any more: who
        sends and hangs up, again and again, has one thread at most.
        """
        lock = self.of(client)
        await lock.acquire()
        try:
            running = asyncio.get_running_loop().run_in_executor(pool, work)
        except RuntimeError:  # the pool is shut down
            lock.release()
            raise

        def ended(done: asyncio.Future[ResultT]) -> None:
            lock.release()
            if not done.cancelled():
                done.exception()  # looked at, though nobody may wait for it any more

        running.add_done_callback(ended)
        return await asyncio.shield(running)
