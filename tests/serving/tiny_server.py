"""A server with the real engine on a tiny random base, for other programs to ask.

    python -m tests.serving.tiny_server FOLDER

Writes one line, its address and a key, and ends with its standard input.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lora_marketing.cli.quiet import quiet_upstream


def main() -> None:
    quiet_upstream()
    from lora_marketing.serving.keys import add_key
    from tests.serving.test_engine import two_brands

    folder = Path(sys.argv[1])
    keys = folder / "keys.json"
    key = add_key(keys, "usual", ["ember"])
    with two_brands(folder, keys) as (_, running):
        sys.stdout.write(f"{running.url} {key}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
