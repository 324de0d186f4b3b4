"""JSON that two readers cannot understand differently: UTF-8, no key twice, no NaN, no infinity."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class NotStrictJson(ValueError):
    """The bytes are not JSON, or JSON that two readers could understand differently."""


def loads(raw: bytes) -> Any:
    """Read one JSON value.

    Raises:
        NotStrictJson: with the reason.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if b"\\u" in raw:  # half a character, which no encoding can write
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError:
        raise NotStrictJson("nested too deeply") from None
    except ValueError as error:
        raise NotStrictJson(str(error)) from error


def dumps(value: object) -> str:
    """One spelling for each value: sorted keys, no spaces, text as it is.

    Raises:
        ValueError, TypeError: the value holds NaN, infinity or something that is not JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, item in pairs:
        if key in value:
            raise NotStrictJson(f"key given twice: {key[:80]!a}")
        value[key] = item
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise NotStrictJson(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise NotStrictJson(f"{text[:80]} is too large")
    return value
