"""How much a caller may send and take: requests a minute, the size of a body, the time of a request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class GrammarLimits:
    """What compiling a client's JSON schema may take.

    `schema_bytes` is its size as JSON, `seconds` and `memory_bytes` what trying it may take, `processes`
    how many are tried at a time (of one client only one), `cache_bytes` the grammars that are kept.
    """

    schema_bytes: int = 64 << 10
    seconds: int = 3
    memory_bytes: int = 512 << 20
    processes: int = 2
    cache_bytes: int = 64 << 20


@dataclass(frozen=True)
class Limits:
    """What one server allows.

    `queue` is how many rows may wait besides those running, `seconds` how long a request may take
    from its acceptance, `body_bytes` and `body_seconds` how large and slow a body may be. `connections`
    is how many may be open, `header_seconds` how slow the headers of a request may be, `idle_seconds`
    how long a connection may stay open between two requests, `grammar` what a schema may take.
    """

    queue: int = 256
    seconds: float = 120.0
    body_bytes: int = 1 << 20
    body_seconds: float = 30.0
    connections: int = 512
    header_seconds: float = 10.0
    idle_seconds: int = 30
    grammar: GrammarLimits = GrammarLimits()


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimits:
    """A token bucket per key: as many requests at once as it may send in a minute, refilled evenly."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: str, per_minute: int | None) -> float:
        """Count one request: 0 if it may pass, else the seconds until one may."""
        if per_minute is None:
            return 0.0
        now, rate = self._clock(), per_minute / 60
        bucket = self._buckets.setdefault(key, _Bucket(per_minute, now))
        bucket.tokens = min(per_minute, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / rate
        bucket.tokens -= 1
        return 0.0
