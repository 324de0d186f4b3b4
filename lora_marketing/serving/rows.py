"""The bridge from the engine's thread to one HTTP request: its rows, with their progress in one queue."""

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
    """The rows of one request, submitted on entering `async with`; leaving it cancels those not ended.

    Args:
        worker: whom they are submitted to.
        requests: one for each row.
        seconds: how long all of them may take together.
    """

    def __init__(self, worker: Worker, requests: Sequence[Request], seconds: float) -> None:
        self._worker = worker
        self._requests = requests
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._progress: asyncio.Queue[tuple[int, Progress]] = asyncio.Queue()
        self._submitted: dict[int, SubmittedRow] = {}

    async def __aenter__(self) -> Self:
        with ExitStack() as on_failure:
            on_failure.callback(self._cancel)
            for index, request in enumerate(self._requests):
                self._submitted[index] = self._worker.submit(request, self._listener(index))
            on_failure.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cancel()

    async def __aiter__(self) -> AsyncIterator[tuple[int, Progress]]:
        """(number of a row, its progress), until the last row ended.

        Raises:
            TimeoutError: they took too long.
        """
        left = len(self._requests)
        while left:
            async with asyncio.timeout_at(self._deadline):
                index, progress = await self._progress.get()
            if progress.written:
                left -= 1
                self._submitted.pop(index, None)
            yield index, progress

    def _listener(self, index: int) -> Callable[[Progress], None]:
        loop = asyncio.get_running_loop()

        def listen(progress: Progress) -> None:
            loop.call_soon_threadsafe(self._progress.put_nowait, (index, progress))

        return listen

    def _cancel(self) -> None:
        for row in self._submitted.values():
            row.cancel()
        self._submitted.clear()
