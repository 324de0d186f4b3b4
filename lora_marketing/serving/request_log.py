"""What is kept of one request while it is answered, for its log line and the metrics."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from lora_marketing.serving.keys import Caller


@dataclass
class RequestLog:
    """One request: who sent it, how it was answered and how long it took. Nothing that the client wrote."""

    id: str
    endpoint: str
    started: float = field(default_factory=time.monotonic)
    caller: Caller | None = None
    status: int = 0
    tokens: int = 0
    finish: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds since it came in."""
        return time.monotonic() - self.started

    def seconds_left(self, most: float) -> float:
        """Seconds left of the `most` that a request may take."""
        return max(0.0, most - self.seconds)

    def fields(self) -> dict[str, Any]:
        """The fields of its log line."""
        return {
            "request_id": self.id,
            "endpoint": self.endpoint,
            "status": self.status,
            "ms": round(self.seconds * 1000, 1),
            "key": self.caller.id if self.caller else None,
            "tokens": self.tokens,
            "finish": self.finish,
        }
