"""Logs as JSON lines on stderr: one a request, never a prompt, a text or a key."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.config import dictConfig
from typing import Any

LOGGER = "lora_marketing.serving"
LOG = logging.getLogger(__name__)
MINUTE = 60.0
MOST_EVENTS = 1000
"""Different warnings that are counted at a time."""


class JsonLines(logging.Formatter):
    """One JSON object a line. A record's `fields` stand beside its time, level and event."""

    def format(self, record: logging.LogRecord) -> str:
        """The line. Of an exception: its type and where it came from.

        Its message only if it comes from the engine: others may quote what a client sent.
        """
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage().partition("\n")[0],
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            kind, error, trace = record.exc_info
            line["error"] = f"{kind.__name__}: {error}" if record.name.endswith(".worker") else kind.__name__
            line["traceback"] = "".join(traceback.format_tb(trace))
        return json.dumps(line, ensure_ascii=False)


class FewRepeats(logging.Filter):
    """Lets the same warning or error pass a few times a minute; the next that passes says how many did not.

    Lines of requests are all let through: they are one a request, and their number is what they tell.

    Args:
        most: lines of one logger and event that pass in a minute.
        clock: seconds, for tests.
    """

    def __init__(self, most: int = 10, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._seen: dict[tuple[str, str], _Repeats] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if record.levelno < logging.WARNING:
            return True
        now = self._clock()
        key = record.name, str(record.msg).partition("\n")[0]
        seen = self._seen.get(key)
        if seen is None or now - seen.since >= MINUTE:
            if seen and seen.count > self._most:
                record.fields = {**getattr(record, "fields", {}), "left_out": seen.count - self._most}
            if len(self._seen) >= MOST_EVENTS:
                self._seen.clear()
            seen = self._seen[key] = _Repeats(now)
        seen.count += 1
        return seen.count <= self._most


@dataclass
class _Repeats:
    since: float
    count: int = 0


def write_json_only() -> None:
    """Let all that this process writes to stderr be JSON lines, also exceptions that nobody catches."""
    dictConfig(logging_settings())
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: _uncaught("an exception ended the process", error)
    sys.unraisablehook = lambda ignored: _uncaught("an exception could not be raised", ignored.exc_value)
    threading.excepthook = lambda ended: _uncaught("an exception ended a thread", ended.exc_value)


def _uncaught(event: str, error: BaseException | None) -> None:
    LOG.critical(event, exc_info=error)


def logging_settings() -> dict[str, Any]:
    """For `logging.config.dictConfig`: the server's lines, uvicorn's and asyncio's warnings, and errors of
    all other libraries, as JSON."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.JsonLines"}},
        "filters": {"few_repeats": {"()": f"{__name__}.FewRepeats"}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "json", "filters": ["few_repeats"]}
        },
        "loggers": {
            LOGGER: {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "asyncio": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        },
        "root": {"handlers": ["stderr"], "level": "ERROR"},
    }
