"""The process: uvicorn around the application, and an end in good order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from types import FrameType

import uvicorn

from lora_marketing.common.errors import AddressTaken, Problem
from lora_marketing.serving.api import application
from lora_marketing.serving.connections import ServerConfig
from lora_marketing.serving.logs import logging_settings
from lora_marketing.serving.service import Service


class Server(uvicorn.Server):
    """A server that ends in good order.

    The first SIGTERM or SIGINT: not ready, no new requests, the running ones end. The second: now.

    Args:
        config: uvicorn's.
        service: what is served.
        grace: seconds that running requests have to end.
    """

    def __init__(self, config: uvicorn.Config, service: Service, grace: float) -> None:
        super().__init__(config)
        self._service = service
        self._grace = grace
        self._ending: asyncio.Task[None] | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to end, or until the engine fails."""
        self._loop = asyncio.get_running_loop()
        self._service.on_failure = self.end
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Uvicorn calls this from its signal handler."""
        if self._service.draining:
            self.force_exit = self.should_exit = True
        else:
            self._service.draining = True
            self._loop.call_soon_threadsafe(self.end)

    def end(self) -> None:
        """Begin to end. Call it in the server's event loop."""
        self._ending = self._ending or self._loop.create_task(self._end())

    async def _end(self) -> None:
        await self._service.drain(self._grace)
        self.should_exit = True


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket bound to an address, for `Server.run`. Made first: loading a base takes minutes.

    Raises:
        AddressTaken: another process has it, or this machine does not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # accepted sockets have its protocol, and asyncio sets TCP_NODELAY on those that say TCP: without it
    # an answer waits 40 ms for the client's acknowledgement
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        fix = "end the other process, or choose another --port"
        raise AddressTaken(Problem(f"cannot listen on {host}:{port}", got=error.strerror, fix=fix)) from error
    return taken


def make_server(
    service: Service,
    *,
    grace: float,
    docs: bool = False,
    origins: Sequence[str] = (),
    configure_logging: bool = True,
) -> Server:
    """A process's server: `make_server(...).run(sockets=[bound_socket(...)])` runs till it is stopped.

    Args:
        service: what is served.
        grace: seconds that running requests have to end when the server stops.
        docs: offer /docs.
        origins: where pages come from whose scripts may ask.
        configure_logging: write logs as JSON lines to stderr; else they go where the process has them.
    """
    config = ServerConfig(
        application(service, docs=docs, origins=origins),
        service.limits,
        log_config=logging_settings() if configure_logging else None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_keep_alive=service.limits.idle_seconds,
        timeout_graceful_shutdown=2,
    )
    return Server(config, service, grace)


def addresses_of(server: Server) -> Sequence[tuple[str, int]]:
    """The (host, port) that a started server listens on."""
    return [item.getsockname()[:2] for part in server.servers for item in part.sockets]
