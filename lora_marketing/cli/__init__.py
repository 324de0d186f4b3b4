"""The command line.

Commands import what they need when they run, so that `--help` is instant.
"""

from __future__ import annotations

import errno
import sys

from lora_marketing.common.console import note
from lora_marketing.common.errors import LoraMarketingError, Problem

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
"""What a disk says in the midst of work; nothing that a program could have known before."""


def main() -> None:
    """Run `lora-marketing`. A user's mistake ends with exit code 2 and no traceback."""
    from lora_marketing.cli.app import app

    try:
        app()
    except LoraMarketingError as error:
        for problem in error.problems:
            note(f"error: {problem}")
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _DISK:
            raise
        problem = Problem("the disk refuses", error.filename, error.strerror, fix="make room, then repeat")
        note(f"error: {problem}")
        sys.exit(1)
