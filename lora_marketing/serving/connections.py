"""HTTP connections within limits: how many there are, and how slowly headers may come."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lora_marketing.serving.limits import Limits

KEPT_FILES = 128
"""File handles that connections leave to the rest of the process: adapters, logs, the registry."""


class ServerConfig(uvicorn.Config):
    """Uvicorn's configuration, and the limits that `LimitedConnection` keeps to.

    Args:
        app: the ASGI application.
        limits: `connections` is lowered to what the process may open.
        more: uvicorn's own settings.
    """

    def __init__(self, app: Any, limits: Limits, **more: Any) -> None:
        # h11 alone, whatever else is installed: the limits are built on it
        super().__init__(app, http=LimitedConnection, ws="none", backlog=128, **more)
        open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.max_connections = max(1, min(limits.connections, open_files - KEPT_FILES))
        self.header_seconds = limits.header_seconds


class LimitedConnection(H11Protocol):
    """One HTTP/1.1 connection.

    One that has sent no whole request header within `header_seconds` is closed, be it new or kept alive.
    If there are too many, the one that has been idle for longest makes room for a new one; if all of them
    are being answered, the new one is closed.
    """

    _idle_since = 0.0
    _header_timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether no request is being answered on it."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        assert isinstance(self.config, ServerConfig)
        self._idle_since = self.loop.time()
        if len(self.connections) > self.config.max_connections:
            _idle_for_longest(self.connections, self).transport.abort()
        self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        super().data_received(data)
        if self.idle:
            self._wait_for_header()
        else:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request; uvicorn closes the connection if nothing at all comes."""
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_header(self) -> None:
        assert isinstance(self.config, ServerConfig)
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.config.header_seconds, self._header_is_late)

    def _stop_waiting(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _header_is_late(self) -> None:
        self._header_timer = None
        if self.idle:
            self.transport.abort()


def _idle_for_longest(connections: Iterable[Any], new: LimitedConnection) -> LimitedConnection:
    """The connection to close for `new`, which may be itself."""
    others = (one for one in connections if isinstance(one, LimitedConnection) and one is not new)
    idle = (one for one in others if one.idle and not one.transport.is_closing())
    return min(idle, key=lambda one: one._idle_since, default=new)
