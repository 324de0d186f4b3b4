"""The command line. Commands import what they need when they run, so that `--help` is instant."""

from __future__ import annotations

import sys

from lora_marketing.common.errors import LoraMarketingError


def main() -> None:
    """Run `lora-marketing`. A user's mistake ends with exit code 2 and no traceback."""
    from lora_marketing.cli.app import app

    try:
        app()
    except LoraMarketingError as error:
        for problem in error.problems:
            sys.stderr.write(f"error: {problem}\n")
        sys.exit(error.exit_code)
