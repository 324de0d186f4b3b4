"""How long the commands that never load torch take, from the shell's point of view.

    python benchmarks/commands.py --rounds 20

The commands take turns; the first round is not counted. Figures: median and best wall time.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EMBER = "recipes/brands/ember-espresso.yaml"
COMMANDS = (
    ("--help",),
    ("check", EMBER),
    ("explain", EMBER, "train.learning_rate"),
    ("adapters", "list"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    seconds = [[_seconds(command) for command in COMMANDS] for _ in range(rounds + 1)][1:]
    print("| command | median, s | best, s |\n|---|---|---|")
    for command, taken in zip(COMMANDS, zip(*seconds, strict=True), strict=True):
        print(f"| `{' '.join(command)}` | {statistics.median(taken):.2f} | {min(taken):.2f} |")


def _seconds(command: tuple[str, ...]) -> float:
    program = shutil.which("lora-marketing", path=str(Path(sys.executable).parent))
    if program is None:
        raise SystemExit("lora-marketing is not installed beside this Python; run scripts/setup first")
    begin = time.perf_counter()
    subprocess.run([program, *command], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
