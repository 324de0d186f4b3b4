"""The application: routes, and how faults become answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from lora_marketing import __version__
from lora_marketing.serving.disconnect import LEFT, ClientLeft
from lora_marketing.serving.errors import ApiError, ErrorBody, from_validation, internal, readable
from lora_marketing.serving.middleware import RequestGate
from lora_marketing.serving.routes import chat, completions, copy, listing, operations
from lora_marketing.serving.service import Service

ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}}


def application(service: Service, *, docs: bool = False) -> RequestGate:
    """The ASGI application of a service.

    Args:
        service: what it serves.
        docs: offer /docs, which loads its scripts from a public server.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="lora-marketing",
        version=__version__,
        lifespan=lifespan,
        docs_url="/docs" if docs else None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            ApiError: _refused,
            RequestValidationError: _not_valid,
            HTTPException: _not_found,
            ClientLeft: _left,
            Exception: _failed,
        },
    )
    app.state.service = service
    # the key is checked at the front door; this tells the schema of it
    keyed = APIRouter(responses=ERRORS, dependencies=[Security(HTTPBearer(auto_error=False))])
    for part in (listing, chat, completions, copy):
        keyed.include_router(part.router)
    app.include_router(keyed)
    app.include_router(operations.router)
    return RequestGate(app, service)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _not_valid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return from_validation(error.errors(), error.body).response()


async def _not_found(_: Request, error: Exception) -> Response:
    """What the framework itself refuses: paths, methods, bodies that cannot be parsed."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    response = ApiError(error.status_code, readable(str(error.detail)), code).response()
    response.headers.update(error.headers or {})
    return response


async def _left(_: Request, error: Exception) -> Response:
    return Response(status_code=LEFT)


async def _failed(_: Request, error: Exception) -> Response:
    return internal().response()
