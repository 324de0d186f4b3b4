"""ASGI middleware before anything is parsed: key, rate, size of the body, log."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable, Mapping

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as HttpScope

from lora_marketing.serving.disconnect import CLIENT_CLOSED_REQUEST, ClientDisconnected
from lora_marketing.serving.errors import (
    ApiError,
    invalid,
    not_json,
    out_of_scope,
    rate_limited,
    stopping,
)
from lora_marketing.serving.keys import Caller, Scope
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.service import Service

LOG = logging.getLogger(__name__)
API = "/v1/"
SCHEMA = "/openapi.json"
SCOPES: Mapping[str, Scope | None] = {
    "/v1/models": "models",
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/copy": "copy",
    "/v1/check": "check",
    "/metrics": "operations",
    SCHEMA: None,
}
"""The scope that a key needs for a path; None if any key will do."""
OPEN = frozenset({"/healthz", "/readyz"})
"""What is answered without a key."""
LARGE_BODY = 64 << 10
"""Bytes from which on a body takes its parser long enough to be noticed by others."""
LARGE_BODY_PAUSE = 0.1
"""Seconds between two such bodies of one key."""
MOST_VALUES = 50_000
"""Values of a large body, or as many as the context has tokens: each takes its time to be looked at."""


class RequestGate:
    """Gives every request an id, logs and counts it; refuses by key, scope, rate and size of the body.

    Args:
        app: what answers the requests that are let in.
        service: the server.
        open_schema: give the OpenAPI schema to those without a key, too.
    """

    def __init__(self, app: ASGIApp, service: Service, *, open_schema: bool = False) -> None:
        self._app = app
        self._service = service
        self._open_schema = open_schema
        self._most_values = max(MOST_VALUES, service.engine.context)

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_log = RequestLog(secrets.token_hex(8), _endpoint(scope["path"]))
        scope.setdefault("state", {})["request_log"] = request_log

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                request_log.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_log.id.encode())]
            await send(message)

        with self._service.active():
            try:
                await self._answer(scope, receive, send_with_id, request_log)
            except ClientDisconnected:
                request_log.status = CLIENT_CLOSED_REQUEST
            finally:
                self._log(request_log)

    async def _answer(self, scope: HttpScope, receive: Receive, send: Send, request_log: RequestLog) -> None:
        if not self._needs_key(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            caller = self._admit(scope, request_log)
            with self._service.one_more_request(caller):
                receive = await self._with_body(scope, receive, caller)
                if scope["method"] == "POST" and not _is_json(scope["headers"]):
                    raise not_json()
                await self._app(scope, receive, send)
        except ApiError as error:
            await error.response()(scope, receive, send)

    def _needs_key(self, path: str) -> bool:
        if path == SCHEMA:
            return not self._open_schema
        return path.startswith(API) or path in SCOPES

    def _admit(self, scope: HttpScope, request_log: RequestLog) -> Caller:
        """Check that the server takes requests, who asks for what, and how often they did."""
        if self._service.draining and scope["path"].startswith(API):
            raise stopping(retry_after=5)
        request_log.caller = self._service.caller(_bearer(scope["headers"]))
        if request_log.caller is None:
            text = "No key, or one that is not known. Send `Authorization: Bearer KEY`."
            raise ApiError(401, text, "invalid_api_key", kind="authentication_error")
        needed = SCOPES.get(_known(scope["path"]))
        if needed and needed not in request_log.caller.scopes:
            raise out_of_scope(needed)
        seconds = self._service.rates.take(request_log.caller)
        if seconds:
            raise rate_limited(request_log.caller.per_minute or 0, seconds)
        return request_log.caller

    async def _with_body(self, scope: HttpScope, receive: Receive, caller: Caller) -> Receive:
        """Read the body whole, as far as it may be, and hand it on in one piece."""
        limits = self._service.limits
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limits.body_bytes:
            raise _too_large(limits.body_bytes)
        try:
            async with asyncio.timeout(limits.body_seconds):
                body = await _read(receive, limits.body_bytes)
        except TimeoutError as error:
            raise ApiError(
                408, "The body did not arrive in time.", "body_timeout", should_retry=True
            ) from error
        if len(body) > LARGE_BODY:
            if body.count(b",") + body.count(b"[") + body.count(b"{") > self._most_values:
                raise invalid(f"The body has more than {self._most_values:,} values.", code="too_complex")
            async with self._service.turns.of(caller.id):  # parsing it holds up everybody for milliseconds
                await asyncio.sleep(LARGE_BODY_PAUSE)
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_body() -> Message:
            return unread.pop() if unread else await receive()

        return receive_body

    def _log(self, request_log: RequestLog) -> None:
        self._service.metrics.requests.labels(request_log.endpoint, str(request_log.status)).observe(
            request_log.seconds
        )
        LOG.info("request", extra={"fields": request_log.fields()})


async def _read(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
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


def _is_json(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    kinds = [value.decode("latin-1") for name, value in headers if name == b"content-type"]
    kind = kinds[0].partition(";")[0].strip().lower() if kinds else ""
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _endpoint(path: str) -> str:
    """The path as metrics and logs show it: one of a few, whatever strangers send."""
    if path in SCOPES or path in OPEN:
        return path
    return "/v1/models/{model}" if path.startswith("/v1/models/") else "other"


def _known(path: str) -> str:
    """The path whose scope holds."""
    return "/v1/models" if path.startswith("/v1/models/") else path
