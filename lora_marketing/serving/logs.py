"""Logs as JSON lines on stderr: one a request, never a prompt, a text or a key."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

LOGGER = "lora_marketing.serving"


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


def logging_settings() -> dict[str, Any]:
    """For `logging.config.dictConfig`: the server's own lines, and uvicorn's warnings, as JSON."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.JsonLines"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "loggers": {
            LOGGER: {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        },
    }
