"""What every route takes from a request besides its body."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Request

from lora_marketing.serving.keys import Caller
from lora_marketing.serving.request_log import RequestLog
from lora_marketing.serving.service import Service


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _record(request: Request) -> RequestLog:
    record: RequestLog = request.state.record
    return record


def _caller(request: Request) -> Caller:
    """Who was let in at the front door."""
    caller: Caller | None = request.state.record.caller
    assert caller is not None, "a route outside /v1 asks for a caller"
    return caller


TheService: TypeAlias = Annotated[Service, Depends(_service)]
TheRecord: TypeAlias = Annotated[RequestLog, Depends(_record)]
TheCaller: TypeAlias = Annotated[Caller, Depends(_caller)]
_EVENT = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": _EVENT}}}}
"""For routes that also stream: each event is a chunk as JSON, the last one `[DONE]`."""
