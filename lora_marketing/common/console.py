"""Words for people: progress and notes on stderr, results on stdout.

What would be obeyed by a terminal, or not be seen on it, is written out.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

from lora_marketing.common.printable import visible, visible_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


PIPED = 150
"""Columns of a table that goes to a file or a pipe, where nothing says how wide it may be."""


def note(text: str) -> None:
    """Say one line on stderr."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


def result(text: str) -> None:
    """Write one result on stdout. JSON stays JSON of the same value."""
    sys.stdout.write(visible(text) + "\n")


def plain_text(text: str, *, style: str = "", one_line: bool = False) -> Text:
    """For rich's tables: text from outside as it is, with nothing in it that rich or a terminal obeys."""
    from rich.text import Text

    return Text(visible_line(text) if one_line else visible(text), style)


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
