"""The bridge from the engine's thread to a request: rows handed in together, heard in one queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lora_marketing.serving.worker import SubmittedRow, Worker

if TYPE_CHECKING:
    from lora_marketing.engine.request import Progress, Request


class RequestRows:
    """Rows that one request waits for. Leaving the block gives up those that have not ended.

    Args:
        worker: who writes.
        requests: one for each row.
        seconds: how long all of them may take together.
    """

    def __init__(self, worker: Worker, requests: Sequence[Request], seconds: float) -> None:
        self._worker = worker
        self._requests = requests
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._heard: asyncio.Queue[tuple[int, Progress]] = asyncio.Queue()
        self._tickets: dict[int, SubmittedRow] = {}

    async def __aenter__(self) -> Self:
        with ExitStack() as unless_all:
            unless_all.callback(self._give_up)
            for index, request in enumerate(self._requests):
                self._tickets[index] = self._worker.submit(request, self._listener(index))
            unless_all.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_up()

    async def __aiter__(self) -> AsyncIterator[tuple[int, Progress]]:
        """(row, what it has to tell), until the last row ended.

        Raises:
            TimeoutError: they took too long.
        """
        left = len(self._requests)
        while left:
            async with asyncio.timeout_at(self._deadline):
                index, progress = await self._heard.get()
            if progress.written:
                left -= 1
                self._tickets.pop(index, None)
            yield index, progress

    def _listener(self, index: int) -> Callable[[Progress], None]:
        loop = asyncio.get_running_loop()

        def listen(progress: Progress) -> None:
            loop.call_soon_threadsafe(self._heard.put_nowait, (index, progress))

        return listen

    def _give_up(self) -> None:
        for ticket in self._tickets.values():
            ticket.cancel()
        self._tickets.clear()
