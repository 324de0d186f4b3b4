"""Clients that disconnect: work that nobody waits for any more is cancelled at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

ResultT = TypeVar("ResultT")
CLIENT_CLOSED_REQUEST = 499
"""Status 499, which logs and metrics show for a client that did not wait."""
SEND_TIMEOUT = 60.0
"""Seconds after which a client that reads nothing of its stream is taken to be gone."""


class ClientDisconnected(Exception):
    """Nobody waits for this answer any more."""


async def unless_disconnected(receive: Receive, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """What `work` returns, or raises; it is cancelled when the client hangs up.

    Raises:
        ClientDisconnected: it hung up.
    """
    working = asyncio.ensure_future(work)
    disconnecting = asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((working, disconnecting), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnected
    finally:
        working.cancel()
        disconnecting.cancel()
        await asyncio.wait((working, disconnecting))


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Server-sent events. When the client hangs up, the generator of the rest is closed at once.

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
                await unless_disconnected(receive, self._send_all(send))
            except ClientDisconnected:
                scope["state"]["request_log"].status = CLIENT_CLOSED_REQUEST

    async def _send_all(self, send: Send) -> None:
        await _send_part(send, self._first)
        async for event in self._rest:
            await _send_part(send, event)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_part(send: Send, text: str) -> None:
    try:
        async with asyncio.timeout(SEND_TIMEOUT):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
    except TimeoutError as error:
        raise ClientDisconnected from error
