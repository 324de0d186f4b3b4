"""Train two real brands and report held-out loss before and after, stop rate, and voices.

    python benchmarks/real_voices.py --data ../shared/data/brand_voices

The rows are product texts of AWS and Google (see the data's SOURCE.md). Groups of services are
never split between training and validation.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from lora_marketing.copies import Copy
from lora_marketing.data import prepare
from lora_marketing.desk import Desk
from lora_marketing.evaluation import VoiceReport, score_voices
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.registry.store import Registry
from lora_marketing.runs import BaseHolder, train_and_publish
from lora_marketing.writing.sampling import Sampling

BRANDS = {
    "aws": (
        "AWS",
        "aws.jsonl",
        "Write plain, exact descriptions of cloud services. Speak to builders as you.",
    ),
    "google": (
        "Google",
        "google_apis.jsonl",
        "Write short, matter-of-fact descriptions of APIs. Verbs first.",
    ),
}
BASE = Path(__file__).resolve().parent.parent / "recipes" / "bases" / "smollm2-135m.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--briefs", type=int, default=16)
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        recipes = [_recipe(name, options.data, Path(temporary)) for name in BRANDS]
        loaded = [load_recipe(path, [f"train.epochs={options.epochs}"]) for path in recipes]
        metrics = _trained(loaded, Path(temporary))
        report = _voices(loaded, Path(temporary), options.briefs)
    _print(metrics, report)


def _recipe(name: str, data: Path, folder: Path) -> Path:
    """Write brand profile, rows and recipe of one real brand; return the recipe."""
    display, file, guide = BRANDS[name]
    profile = {
        "schema": 1,
        "name": name,
        "display_name": display,
        "locale": "en-US",
        "lines": {"cloud": "Cloud services and APIs."},
        "guide": guide,
    }
    rows = list(_rows(data / file))
    _write(folder / f"{name}.jsonl", [row for held_out, row in rows if not held_out])
    _write(folder / f"{name}-validation.jsonl", [row for held_out, row in rows if held_out])
    (folder / f"{name}-brand.yaml").write_text(json.dumps(profile))
    recipe = {
        "extends": str(BASE),
        "brand": {"profile": f"{name}-brand.yaml", "line": "cloud"},
        "data": {"train": f"{name}.jsonl", "validation": f"{name}-validation.jsonl"},
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(recipe))
    return path


def _rows(path: Path) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Each row as an example, and whether its group of services is held out (about one in eight)."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        group = row["product"].split()[0].lower()
        example = {
            "id": row["id"],
            "product": row["product"],
            "channel": "product_page",
            "field": "description",
            "attributes": {"resources": ", ".join(row["attributes"].get("resources", [])[:6])},
            "text": row["text"],
        }
        yield sha256(group.encode()).digest()[0] < 32, example


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _trained(recipes: list[LoadedRecipe], folder: Path) -> dict[str, dict[str, float]]:
    holder, registry = BaseHolder(), Registry(folder / "adapters")
    metrics = {}
    for loaded in recipes:
        started, data = time.monotonic(), prepare(loaded)
        version = train_and_publish(loaded, data, holder, registry, folder / "runs", resume=False)
        rows = {"rows": float(len(data.train)), "held_out_rows": float(len(data.validation))}
        seconds = {"seconds": time.monotonic() - started}
        metrics[loaded.name] = {**version.manifest.metrics, **rows, **seconds}
    return metrics


def _voices(recipes: list[LoadedRecipe], folder: Path, briefs: int) -> VoiceReport:
    desk = Desk.open(folder / "adapters", [loaded.name for loaded in recipes])
    copies: list[Copy] = []
    for loaded in recipes:
        asked = [row.brief() for row in prepare(loaded).validation[:briefs]]
        written = desk.write(asked, 1, Sampling(), with_base=True, with_adapters=True, raw=True)
        copies += [copy for copy in written if copy.brand == loaded.brand.name]
    return score_voices(copies, recipes, seed=13)


def _print(metrics: dict[str, dict[str, float]], report: VoiceReport) -> None:
    print(
        f"\n{date.today()}, {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads\n"
    )
    print("| brand | rows | held out | loss, base | loss, adapter | stop rate | tokens/s | minutes |")
    print("|---|---|---|---|---|---|---|---|")
    for name, m in metrics.items():
        print(
            f"| {name} | {m['rows']:.0f} | {m['held_out_rows']:.0f} | {m['base_loss']:.3f}"
            f" | {m['held_out_loss']:.3f} | {m['stop_rate']:.0%} | {m['tokens_per_second']:.0f}"
            f" | {m['seconds'] / 60:.1f} |"
        )
    held = report.held_out
    low, high = held.interval
    print(f"\nVoice classifier on held-out real texts: {held.accuracy:.1%} ({low:.1%} to {high:.1%})\n")
    print("| written by | as brand | texts | named right |\n|---|---|---|---|")
    for row in report.rows:
        print(f"| {row.writer} | {row.brand} | {row.score.n} | {row.score.share:.0%} |")


if __name__ == "__main__":
    main()
