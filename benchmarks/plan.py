"""Predicted against measured peak memory, each setting's two worst steps in a process of its own.

    python benchmarks/plan.py --settings ember lumen ember-4 ember-8 ember-checkpointing

Each line is `lora-marketing plan RECIPE --calibrate`. On the CPU the peak is the process's resident
memory, so the figures also depend on what else the libraries keep.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EMBER, LUMEN = "recipes/brands/ember-espresso.yaml", "recipes/brands/lumen-serum.yaml"
SETTINGS: dict[str, tuple[str, ...]] = {
    "ember": (EMBER,),
    "lumen": (LUMEN,),
    "ember-4": (EMBER, "train.micro_batch_size=4"),
    "ember-8": (EMBER, "train.micro_batch_size=8"),
    "ember-checkpointing": (EMBER, "train.activation_checkpointing=true"),
    "lumen-8": (LUMEN, "train.micro_batch_size=8"),
    "lumen-checkpointing": (LUMEN, "train.activation_checkpointing=true"),
}
COMMAND = "import sys; from lora_marketing.cli import main; sys.argv[0] = 'lora-marketing'; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    print("| setting | rows | predicted GiB | measured GiB | error | tokens/s |\n|---|---|---|---|---|---|")
    for name in parser.parse_args().settings:
        found = _calibrated(*SETTINGS[name])
        predicted, measured = found["predicted_gib"], found["measured_gib"]
        print(
            f"| {name} | {found['micro_batch_size']} | {predicted:.2f} | {measured:.2f}"
            f" | {predicted / measured - 1:+.1%} | {found['tokens_per_second']:.0f} |",
            flush=True,
        )


def _calibrated(recipe: str, *overrides: str) -> dict[str, Any]:
    sets = [part for override in overrides for part in ("--set", override)]
    command = [sys.executable, "-c", COMMAND, "plan", recipe, *sets, "--calibrate", "--json"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(run.stderr)
    calibration: dict[str, Any] = json.loads(run.stdout)["calibration"]
    return calibration


if __name__ == "__main__":
    main()
