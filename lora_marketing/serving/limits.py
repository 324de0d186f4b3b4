"""How much a caller may send and take: requests a minute, the size of a body, the time of a request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lora_marketing.serving.keys import Caller


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
class GuardLimits:
    """What checking a text may take.

    `text_bytes` is the size of a client's text with its brief, `seconds` and `memory_bytes` what checking one
    text may take, `processes` how many are checked at a time (of one client only one).
    """

    text_bytes: int = 100_000
    seconds: int = 10
    memory_bytes: int = 1 << 30
    processes: int = 2


@dataclass(frozen=True)
class Limits:
    """What one server allows.

    `queue` is how many rows of a key may wait besides those running, `requests` how many requests of a key
    may be open, `seconds` how long a request may take
    from its acceptance, `body_bytes` and `body_seconds` how large and slow a body may be. `connections`
    is how many may be open, `header_seconds` how slow the headers of a request may be, `idle_seconds`
    how long a connection may stay open between two requests, `grammar` what a schema may take, `guard`
    what a text to check.
    """

    queue: int = 256
    requests: int = 128
    seconds: float = 120.0
    body_bytes: int = 1 << 20
    body_seconds: float = 30.0
    connections: int = 512
    header_seconds: float = 10.0
    idle_seconds: int = 30
    grammar: GrammarLimits = GrammarLimits()
    guard: GuardLimits = GuardLimits()


TOKENS_PER_TEXT = 1000
"""So many tokens read and written count as one more text."""


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimits:
    """A token bucket per key: as many texts at once as it may have in a minute, refilled evenly.

    A request counts as one text at least, and every thousand tokens that it reads and writes as one more.
    These are known when it has ended, so a key may come to owe some, and then waits until it owes none.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, caller: Caller, texts: int = 1) -> float:
        """Count some texts: 0 if they may pass, else the seconds until they may.

        More than a minute's may pass when the bucket is as good as full.
        """
        if caller.per_minute is None:
            return 0.0
        bucket, rate = self._filled(caller.id, caller.per_minute), caller.per_minute / 60
        needed = min(texts, max(1, caller.per_minute - 1))
        if bucket.tokens < needed:
            return (needed - bucket.tokens) / rate
        bucket.tokens -= texts
        return 0.0

    def charge(self, caller: Caller, tokens: int) -> None:
        """Count tokens that were read and written."""
        if caller.per_minute is not None:
            self._filled(caller.id, caller.per_minute).tokens -= tokens // TOKENS_PER_TEXT

    def _filled(self, key: str, per_minute: int) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(per_minute, now))
        bucket.tokens = min(per_minute, bucket.tokens + (now - bucket.at) * per_minute / 60)
        bucket.at = now
        return bucket
