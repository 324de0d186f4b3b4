"""Words for people: progress and notes on stderr, results on stdout."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


PIPED = 150
"""Columns of a table that goes to a file or a pipe, where nothing says how wide it may be."""


def note(text: str) -> None:
    """Say one line on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def result(text: str) -> None:
    """Write one result line on stdout."""
    sys.stdout.write(text + "\n")


def rich_stderr() -> Console:
    """A rich console on stderr, for progress and tables meant for people."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, width=_width(sys.stderr))


def rich_stdout() -> Console:
    """A rich console on stdout, for tables that are the result."""
    from rich.console import Console

    return Console(highlight=False, width=_width(sys.stdout))


def _width(stream: TextIO) -> int | None:
    return None if stream.isatty() or "COLUMNS" in os.environ else PIPED
