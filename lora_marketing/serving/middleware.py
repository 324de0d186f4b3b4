"""The front door: every request passes here before anything of it is parsed."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lora_marketing.serving.disconnect import LEFT, ClientLeft
from lora_marketing.serving.errors import ApiError, draining
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.service import Service

LOG = logging.getLogger(__name__)
API = "/v1/"
ENDPOINTS = frozenset(
    {
        "/v1/models",
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/copy",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
    }
)


class RequestGate:
    """Names every request, logs and counts it; lets API requests in by key, rate and size of body."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestLog(secrets.token_hex(8), _endpoint(scope["path"]))
        scope.setdefault("state", {})["record"] = record

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", record.id.encode())]
            await send(message)

        with self._service.active():
            try:
                await self._answer(scope, receive, named, record)
            except ClientLeft:
                record.status = LEFT
            finally:
                self._note(record)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, record: RequestLog) -> None:
        if not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        try:
            self._admit(scope, record)
            receive = await self._with_body(scope, receive)
        except ApiError as refused:
            await refused.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope, record: RequestLog) -> None:
        """Check that the server takes requests, who asks, and how often they did."""
        if self._service.draining:
            raise draining(retry_after=5)
        record.caller = self._service.caller(_bearer(scope["headers"]))
        if record.caller is None:
            text = "No key, or one that is not known. Send `Authorization: Bearer KEY`."
            raise ApiError(401, text, "invalid_api_key", kind="authentication_error")
        seconds = self._service.rates.take(record.caller.id, record.caller.per_minute)
        if seconds:
            text = f"This key may ask {record.caller.per_minute} times a minute."
            raise ApiError(
                429, text, "rate_limit_exceeded", kind="rate_limit_error", retry_after=seconds + 0.5
            )

    async def _with_body(self, scope: Scope, receive: Receive) -> Receive:
        """Read the body whole, as far as it may be, and hand it on in one piece."""
        limits = self._service.limits
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if told.isdigit() and int(told) > limits.body_bytes:
            raise _too_large(limits.body_bytes)
        try:
            async with asyncio.timeout(limits.body_seconds):
                body = await _read(receive, limits.body_bytes)
        except TimeoutError as error:
            raise ApiError(408, "The body did not arrive in time.", "body_timeout") from error
        given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return given.pop() if given else await receive()

        return again

    def _note(self, record: RequestLog) -> None:
        self._service.metrics.requests.labels(record.endpoint, str(record.status)).observe(record.seconds)
        LOG.info("request", extra={"fields": record.fields()})


async def _read(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        body += message.get("body", b"")
        if len(body) > most:
            raise _too_large(most)
        if not message.get("more_body"):
            return bytes(body)


def _too_large(most: int) -> ApiError:
    return ApiError(413, f"The body has more than {most:,} bytes.", "body_too_large")


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        kind, _, secret = value.decode("latin-1").partition(" ")
        if name == b"authorization" and kind.lower() == "bearer":
            return secret.strip()
    return None


def _endpoint(path: str) -> str:
    """The path as figures and logs show it: one of a few, whatever strangers ask for."""
    if path in ENDPOINTS:
        return path
    return "/v1/models/{model}" if path.startswith("/v1/models/") else "other"
