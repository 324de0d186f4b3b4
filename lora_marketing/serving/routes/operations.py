"""For those who run the server: is it alive, may it get requests, how does it do. No key, no names."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from lora_marketing.common.documents import Frozen
from lora_marketing.serving.dependencies import TheService

router = APIRouter()


class ServerState(Frozen):
    """How the server stands, and why."""

    status: Literal["ok", "failed"]
    reasons: list[str] = []


BAD: dict[int | str, dict[str, Any]] = {503: {"model": ServerState}}


@router.get("/healthz", response_model=ServerState, responses=BAD)
async def health(service: TheService, response: Response) -> ServerState:
    """Whether this process can still write. If not, restart it."""
    if service.worker.alive:
        return ServerState(status="ok")
    response.status_code = 503
    return ServerState(status="failed", reasons=["the engine does not run"])


@router.get("/readyz", response_model=ServerState, responses=BAD)
async def ready(service: TheService, response: Response) -> ServerState:
    """Whether this process should get requests."""
    reasons = service.not_ready()
    if not reasons:
        return ServerState(status="ok")
    response.status_code = 503
    return ServerState(status="failed", reasons=reasons)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: TheService) -> Response:
    """Figures in Prometheus' text format."""
    return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)
