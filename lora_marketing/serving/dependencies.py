"""FastAPI dependencies: the service, the request's log entry and its caller, as parameters of routes."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Request

from lora_marketing.serving.keys import Caller
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.service import Service


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _request_log(request: Request) -> RequestLog:
    request_log: RequestLog = request.state.request_log
    return request_log


def _caller(request: Request) -> Caller:
    """Who the middleware let in."""
    caller: Caller | None = request.state.request_log.caller
    assert caller is not None, "a route outside /v1 has no caller"
    return caller


TheService: TypeAlias = Annotated[Service, Depends(_service)]
TheRequestLog: TypeAlias = Annotated[RequestLog, Depends(_request_log)]
TheCaller: TypeAlias = Annotated[Caller, Depends(_caller)]
_EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": _EVENT}}}}
"""For routes that also stream: each event is a chunk as JSON, the last one `[DONE]`."""
