"""Clients that leave: work for somebody who hung up is given up at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

ResultT = TypeVar("ResultT")
LEFT = 499
"""The status that logs and figures show for a client that did not wait."""
STALLED = 60.0
"""Seconds after which a client that reads nothing of its stream is taken to have left."""


class ClientLeft(Exception):
    """Nobody waits for this answer any more."""


async def unless_left(receive: Receive, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """What `work` returns, or raises; it is cancelled when the client hangs up.

    Raises:
        ClientLeft: it did.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientLeft
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait((working, leaving))


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Server-sent events. When the client leaves, the generator of the rest is closed at once.

    Args:
        first: the first event, waited for before the status is sent, so that errors have their own.
        rest: the others.
    """

    media_type = "text/event-stream"

    def __init__(self, first: str, rest: AsyncGenerator[str]) -> None:
        super().__init__(headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._first = first
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, or as much as the client waits for."""
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        async with aclosing(self._rest):
            await send(start)
            try:
                await unless_left(receive, self._send_all(send))
            except ClientLeft:
                scope["state"]["record"].status = LEFT

    async def _send_all(self, send: Send) -> None:
        await _send_part(send, self._first)
        async for event in self._rest:
            await _send_part(send, event)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_part(send: Send, text: str) -> None:
    try:
        async with asyncio.timeout(STALLED):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
    except TimeoutError as error:
        raise ClientLeft from error
