"""For operators: liveness and readiness without a key, metrics with one that opens operations."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from lora_marketing.common.documents import Frozen
from lora_marketing.serving.dependencies import TheService

router = APIRouter()


class ServerState(Frozen):
    """Whether the server is well, and the reasons if not."""

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
    """Metrics in Prometheus' text format."""
    return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)
