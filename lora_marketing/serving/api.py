"""The ASGI application: routes, and how errors become responses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from lora_marketing import __version__
from lora_marketing.serving.disconnect import CLIENT_CLOSED_REQUEST, ClientDisconnected
from lora_marketing.serving.errors import ApiError, ErrorBody, internal_error, readable, validation_error
from lora_marketing.serving.middleware import RequestGate
from lora_marketing.serving.routes import chat, check, completions, copy, listing, operations
from lora_marketing.serving.service import Service

ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}}


SHOWN_TO_PAGES = ("x-request-id", "x-should-retry", "retry-after")
"""Headers of an answer that a page of another origin may read."""


def application(service: Service, *, docs: bool = False, origins: Sequence[str] = ()) -> ASGIApp:
    """The ASGI application of a service.

    Args:
        service: what it serves.
        docs: offer /docs, which loads its scripts from a public server, and the schema without a key.
        origins: where pages come from whose scripts may ask, such as https://studio.example; `*` is all.
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
            ApiError: _api_error,
            RequestValidationError: _validation_error,
            HTTPException: _http_error,
            ClientDisconnected: _disconnected,
            Exception: _internal_error,
        },
    )
    app.state.service = service
    # the middleware checks the key; this is for the OpenAPI schema
    keyed = APIRouter(responses=ERRORS, dependencies=[Security(HTTPBearer(auto_error=False))])
    for part in (listing, chat, completions, copy, check):
        keyed.include_router(part.router)
    app.include_router(keyed)
    app.include_router(operations.router)
    gate = RequestGate(app, service, open_schema=docs)
    if not origins:
        return gate
    return CORSMiddleware(
        gate,  # outside of it: a browser asks first whether it may ask, and without the key
        allow_origins=origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=SHOWN_TO_PAGES,
    )


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return validation_error(error.errors(), error.body).response()


async def _http_error(_: Request, error: Exception) -> Response:
    """What the framework itself refuses: paths, methods, bodies that cannot be parsed."""
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
    response = ApiError(error.status_code, readable(str(error.detail)), code).response()
    response.headers.update(error.headers or {})
    return response


async def _disconnected(_: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _internal_error(_: Request, error: Exception) -> Response:
    return internal_error().response()
