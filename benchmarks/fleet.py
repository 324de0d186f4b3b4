"""Eight small brands: eight separate runs against one fleet, from the shell's point of view.

    python benchmarks/fleet.py --rounds 3

Brands are slices of the example brands' rows, each with its own name and recipe, trained with the
recipe of the small base. Every round trains all of them three ways into new registries: a process
per brand, one process that takes turns, one process that computes them together (`--together 8`).
Figures: wall time of all eight, and the greatest difference of a brand's held-out loss between ways.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (("ember", "espresso"), ("ember", "filter"), ("lumen", "serum"))
WAYS = {
    "separate": "eight separate runs",
    "turns": "one fleet, taking turns",
    "together": "one fleet, --together 8",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--brands", type=int, default=8)
    parser.add_argument("--rows", type=int, default=24, help="texts of each brand")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/fleet.json")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        recipes = _write_brands(folder, options.brands, options.rows)
        seconds: dict[str, list[float]] = {way: [] for way in options.ways}
        losses: dict[str, list[float]] = {}
        for number in range(options.rounds):
            for way in options.ways:
                registry = folder / f"adapters-{way}-{number}"
                seconds[way].append(_train(way, recipes, registry))
                losses[way] = _held_out(registry)
                print(f"{WAYS[way]}: {seconds[way][-1]:.1f} s", flush=True)
    _report(seconds, losses, options)


def _write_brands(folder: Path, brands: int, rows: int) -> list[Path]:
    """A recipe, a profile and `rows` texts for each brand."""
    recipes = []
    for number in range(brands):
        source, line = SOURCES[number % len(SOURCES)]
        own = f"{source}-{number + 1}"
        home = ROOT / "recipes/brands" / source
        texts = [json.loads(text) for text in (home / "texts.jsonl").read_text().splitlines()]
        of_line = [text for text in texts if text["line"] == line]
        start = rows * (number // len(SOURCES))
        chosen = (of_line * 2)[start : start + rows]
        (folder / f"{own}.jsonl").write_text("".join(json.dumps(text) + "\n" for text in chosen))
        profile = (home / "brand.yaml").read_text().replace(f"name: {source}", f"name: {own}", 1)
        (folder / f"{own}-brand.yaml").write_text(profile)
        recipe = folder / f"{own}.yaml"
        recipe.write_text(
            f"extends: {ROOT / 'recipes/bases/smollm2-135m.yaml'}\n"
            f"brand: {{profile: {own}-brand.yaml, line: {line}}}\n"
            f"data: {{train: {own}.jsonl}}\n"
        )
        recipes.append(recipe)
    return recipes


def _train(way: str, recipes: Sequence[Path], registry: Path) -> float:
    calls = [[recipe] for recipe in recipes] if way == "separate" else [list(recipes)]
    together = "8" if way == "together" else "1"
    begin = time.perf_counter()
    for call in calls:
        places = ["--adapters", str(registry), "--runs", str(registry) + "-runs", "--together", together]
        command = [sys.executable, "-c", "from lora_marketing.cli import main; main()", "train"]
        done = subprocess.run([*command, *map(str, call), *places], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
    return time.perf_counter() - begin


def _held_out(registry: Path) -> list[float]:
    """Held-out loss of every brand, in the order of their names."""
    manifests = sorted(registry.glob("*/*/versions/*/manifest.json"))
    return [json.loads(path.read_text())["metrics"]["held_out_loss"] for path in manifests]


def _report(
    seconds: dict[str, list[float]], losses: dict[str, list[float]], options: argparse.Namespace
) -> None:
    medians = {way: statistics.median(taken) for way, taken in seconds.items()}
    first = next(iter(medians))
    print(
        f"\n| {options.brands} brands, {options.rows} texts each | s | times {WAYS[first]} |\n|---|---|---|"
    )
    for way, median in medians.items():
        print(f"| {WAYS[way]} | {median:.0f} | {medians[first] / median:.2f} |")
    for way, found in losses.items():
        differ = max(abs(mine - other) for mine, other in zip(found, losses[first], strict=True))
        print(f"\n{WAYS[way]}: held-out losses differ from {WAYS[first]} by at most {differ:.4f}")
    report = {"brands": options.brands, "rows": options.rows, "seconds": seconds, "held_out_losses": losses}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
