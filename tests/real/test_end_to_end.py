"""The whole story on the real SmolLM2 base, through the command line as a user has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.data.dataset import read_examples
from lora_marketing.recipe import load_recipe

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]
QUICK = ("train.epochs=1", "eval.per_epoch=1", "eval.briefs=1", "eval.max_new_tokens=6")
ROWS = 8
SECONDS = 1500  # one command that takes longer hangs: it ends with the stack of every thread
BRIEF = ("Gift card, £20", "--channel", "meta_feed", "--audience", "night porters")


@pytest.fixture
def kit(tmp_path: Path) -> Callable[..., str]:
    """Run `lora-marketing` in its own process, with a registry of its own."""

    def run(*arguments: str, folders: tuple[str, ...] = ("adapters",)) -> str:
        stuck = f"import faulthandler; faulthandler.dump_traceback_later({SECONDS}, exit=True)"
        code = f"{stuck}\nfrom lora_marketing.cli import main; main()"
        where = [part for name in folders for part in (f"--{name}", str(tmp_path / name))]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments, *where],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def short_recipe(name: str, folder: Path) -> str:
    """A recipe of the kit with the first texts of its line only."""
    loaded = load_recipe(ROOT / "recipes" / "brands" / f"{name}.yaml")
    rows = [row for _, row in read_examples(loaded.train_file) if row.line == loaded.recipe.brand.line]
    texts, recipe = folder / f"{name}.jsonl", folder / f"{name}.yaml"
    texts.write_text("".join(row.model_dump_json() + "\n" for row in rows[:ROWS]), encoding="utf-8")
    recipe.write_text(f"extends: {loaded.path}\ndata:\n  train: {texts.name}\n", encoding="utf-8")
    return str(recipe)


def test_train_verify_promote_and_write_in_two_voices(kit: Callable[..., str], tmp_path: Path) -> None:
    recipes = [short_recipe(name, tmp_path) for name in ("ember-espresso", "lumen-serum")]
    overrides = [part for setting in QUICK for part in ("--set", setting)]
    published = kit("train", *recipes, *overrides, folders=("adapters", "runs")).split()
    assert [name.partition(":")[0] for name in published] == ["ember/espresso", "lumen/serum"]
    assert not list((tmp_path / "runs").iterdir())
    assert kit("train", *recipes, *overrides, folders=("adapters", "runs")).split() == published

    for name in published:
        shown = json.loads(kit("adapters", "show", name))
        metrics = shown["metrics"]
        assert metrics["held_out_loss"] < metrics["base_loss"] - 0.05
        assert shown["base"]["quantization"] == "nf4+double"
    listed = kit("adapters", "list")
    assert "ember/espresso" in listed
    assert "@candidate" in listed
    assert kit("adapters", "verify").count(" ok") == 2
    assert "ember/espresso@prod is now" in kit("adapters", "promote", published[0])

    two = ("--adapter", "ember/espresso@prod", "--adapter", "lumen/serum@candidate")
    ask = ("generate", *BRIEF, *two, "--compare", "--raw", "--json", "--max-new-tokens", "8")

    def written() -> list[dict[str, Any]]:
        return [json.loads(line) for line in kit(*ask).splitlines()]

    first = written()
    assert [(copy["adapter"], copy["brand"]) for copy in first] == [
        ("ember/espresso", "ember"),
        ("lumen/serum", "lumen"),
        (None, "ember"),
        (None, "lumen"),
    ]
    assert len({copy["text"] for copy in first}) == 4
    assert all(copy["text"] and copy["tokens"] <= 8 for copy in first)
    assert [copy["digest"][:16] for copy in first[:2]] == [name.partition(":")[2] for name in published]
    assert written() == first
