"""Every HTTP error of the server, one function each.

In OpenAI's form: `{"error": {message, type, param, code}}`.
A function is named like the `code` that it answers with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi.responses import JSONResponse

from lora_marketing.common.documents import Frozen, dotted
from lora_marketing.common.errors import LoraMarketingError
from lora_marketing.serving.schema import NEUTRAL

INVALID, OVERLOADED, INTERNAL = "invalid_request_error", "overloaded_error", "server_error"


class ErrorDetail(Frozen):
    """What went wrong; `param` names the part of the request that did it."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(Frozen):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class ApiError(Exception):
    """An HTTP error: raise it anywhere below a route or in the middleware, and it becomes the response.

    Args:
        status: the HTTP status.
        message: for people; cut and made valid UTF-8.
        code: for programs.
        param: the part of the request that is wrong, such as `messages[0].role`.
        kind: OpenAI's `type`.
        retry_after: seconds after which to try again, sent as Retry-After.
        should_retry: whether a client should send the same again by itself; None: if `retry_after` says when.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        param: str | None = None,
        kind: str = INVALID,
        retry_after: float | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.retry_after = retry_after
        self.should_retry = retry_after is not None if should_retry is None else should_retry
        detail = ErrorDetail(message=readable(message, 1000), type=kind, param=param, code=code)
        self.body = ErrorBody(error=detail)

    def response(self) -> JSONResponse:
        """The response to send."""
        headers = {"x-should-retry": str(self.should_retry).lower()}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, round(self.retry_after)))
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.body.model_dump(), self.status, headers)


def readable(text: str, most: int = 80) -> str:
    """Text of a stranger that can be sent back: short, and always UTF-8."""
    return text[:most].encode("utf-8", "replace").decode()


def invalid(message: str, param: str | None = None, code: str = "invalid_value") -> ApiError:
    """400: the request says something that cannot be done."""
    return ApiError(400, message, code, param=param)


def not_json() -> ApiError:
    """415: the body does not say that it is JSON. Browsers send other types without asking the server."""
    text = "Send the body as JSON, with the header `Content-Type: application/json`."
    return ApiError(415, text, "unsupported_media_type")


def out_of_scope(scope: str) -> ApiError:
    """403: the key is known, but not for this."""
    text = f"This key does not open {scope}. Whoever gave it to you can make one with this scope."
    return ApiError(403, text, "out_of_scope", kind="permission_error")


def system_turn_refused(place: str) -> ApiError:
    """403: the chat has a system turn, and the key may bring none."""
    text = (
        f"{place}: the brand's own system turn stands before every chat, and this key may not bring another"
        " (scope `system_turns`). Say it in a user turn, or leave it out."
    )
    return ApiError(403, text, "system_turn_refused", param=place, kind="permission_error")


def model_not_found() -> ApiError:
    """404 for an unknown model, and the same for one that the key may not know of."""
    text = "The model does not exist, or your key does not open it. GET /v1/models lists yours."
    return ApiError(404, text, "model_not_found", param="model")


def model_unavailable() -> ApiError:
    """503: the adapter's files are damaged. The log has the reason; a client cannot mend it."""
    text = "The model's files cannot be used at present. Other models are not affected."
    return ApiError(
        503, text, "model_unavailable", param="model", kind=INTERNAL, retry_after=60, should_retry=False
    )


def timeout() -> ApiError:
    """504: the request's time is over and its rows were given up."""
    text = "The text was not finished in time. Ask for fewer tokens or variants, or try again later."
    return ApiError(504, text, "timeout", kind=INTERNAL)


def too_slow_to_check() -> ApiError:
    """503: looking at a text took more time or memory than it may."""
    text = "A text takes too much time or memory to check. Shorten it, or ask for fewer tokens."
    return ApiError(503, text, "too_slow_to_check", kind=INTERNAL, should_retry=False)


def too_many_requests(most: int) -> ApiError:
    """429: a key has as many requests open as it may have."""
    text = f"This key has {most} requests open, the most that one may have. Wait for some of them."
    return ApiError(429, text, "too_many_requests", kind="rate_limit_error", retry_after=1)


def rate_limited(per_minute: int, seconds: float) -> ApiError:
    """429: a key has used up what it may ask for in a minute."""
    text = f"This key may have {per_minute} texts a minute; long prompts and texts count more than once."
    return ApiError(429, text, "rate_limit_exceeded", kind="rate_limit_error", retry_after=seconds + 0.5)


def busy(retry_after: float) -> ApiError:
    """503: the queue is full."""
    return ApiError(503, "Too many rows wait. Try again.", "busy", kind=OVERLOADED, retry_after=retry_after)


def stopping(retry_after: float) -> ApiError:
    """503: the server is stopping."""
    text = "The server is stopping. Try again."
    return ApiError(503, text, "stopping", kind=OVERLOADED, retry_after=retry_after)


def internal_error() -> ApiError:
    """500: a fault of the server. The log has it under the request's id."""
    return ApiError(500, "The server failed to answer this request.", "internal_error", kind=INTERNAL)


def one_line(error: LoraMarketingError) -> str:
    """All problems of an error in one line."""
    return "; ".join(" ".join(str(problem).split()) for problem in error.problems)


def validation_error(errors: Sequence[Any], body: Any) -> ApiError:
    """400 from what pydantic found in a body: its first problem, as clients expect one."""
    first = errors[0]
    path = _as_sent(tuple(first["loc"][1:]), body) if first["loc"] else ()
    param = readable(dotted(path)) or None
    if first["type"] == "json_invalid":
        return invalid("The body is not JSON.", code="invalid_json")
    if first["type"] == "extra_forbidden":
        return invalid(f"{param}: this parameter is not supported here.", param, "unsupported_parameter")
    if path and path[0] in NEUTRAL:
        text = f"{path[0]}: not supported here but for the value that changes nothing; leave it out."
        return invalid(text, str(path[0]), "unsupported_value")
    if first["type"] == "missing":
        name = readable(dotted(tuple(first["loc"][1:]))) or "body"
        return invalid(f"{name}: a value is needed.", name, "missing_required_parameter")
    of_path = [item for item in errors if _as_sent(tuple(item["loc"][1:]), body) == path]
    messages = dict.fromkeys(item["msg"].removeprefix("Value error, ") for item in of_path)
    return invalid(f"{param or 'body'}: {', or '.join(messages)}.", param)


def _as_sent(path: tuple[str | int, ...], body: Any) -> tuple[str | int, ...]:
    """`path` without the names of union branches, which nobody wrote."""
    for length, part in enumerate(path):
        inside = isinstance(body, dict) and part in body
        if not inside and not (isinstance(body, list) and isinstance(part, int) and part < len(body)):
            return path[:length]
        body = body[part]
    return path
