"""`plan` from the command line, and without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lora_marketing.cli.app import app
from lora_marketing.common.errors import LoraMarketingError
from lora_marketing.data.dataset import prepare
from lora_marketing.planning.devices import Device
from lora_marketing.planning.plan import make_plan
from lora_marketing.planning.rows import estimated
from lora_marketing.recipe import load_recipe
from tests.making import BRANDS, ROOT, write_world

GIB = 2**30
SHANYU = BRANDS.parent / "24gb" / "qwen3-8b-shanyu-camp.yaml"
WITHOUT_TORCH = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
sys.argv = ["lora-marketing", *sys.argv[1:]]
from lora_marketing.cli import main
main()
"""


@pytest.fixture(autouse=True)
def _no_base_is_here(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_MARKETING_CACHE", str(tmp_path_factory.getbasetemp() / "nothing"))
    monkeypatch.setattr(
        "huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path_factory.getbasetemp() / "none")
    )


def told(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["plan", *map(str, arguments)])
    assert result.exception is None, result.exception
    return result.stdout


def test_plan_needs_no_torch(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "150"}
    arguments = [str(SHANYU), "--gpu", "RTX 4090"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "plan", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "shanyu/camp on qwen3-8b, RTX 4090, 24.00 GiB free" in done.stdout


def test_the_screen_says_what_matters() -> None:
    text = told(SHANYU, "--gpu", "rtx 4090")
    assert "fits: needs" in text
    assert "an estimate from characters" in text
    assert "saved by prefix trees" in text
    assert "2026-03 prices" in text
    assert len(text.splitlines()) <= 24


def test_what_does_not_fit_names_the_change() -> None:
    text = told(SHANYU, "--memory", "8GiB", "--set", "train.micro_batch_size=16")
    assert "does not fit" in text
    assert "first change that fits: --set train.micro_batch_size=" in text
    nothing = told(SHANYU, "--memory", "3GiB")
    assert "no setting fits" in nothing


def test_json_holds_every_figure() -> None:
    found = json.loads(told(SHANYU, "--gpu", "L4", "--json"))
    assert found["fits"] is True
    assert found["memory"]["needed"] == found["memory"]["overhead"] + max(
        found["memory"][phase] for phase in ("training", "evaluation", "generation")
    )
    assert found["steps"] * 16 >= found["rows"]
    assert found["micro_batch_size"] * found["accumulation"] == 16
    assert 0 < found["saved"] < 1
    assert found["tokens_estimated"] is True
    assert found["usd"] == pytest.approx(found["seconds"] / 3600 * 0.44)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--gpu", "RTX 409"], 'did you mean "RTX 4090"'),
        (["--memory", "much"], "as in 24GiB"),
        (["--gpu", "L4", "--memory", "24GiB"], "do not go together"),
        (["--gpu", "L4", "--calibrate"], "do not go together"),
    ],
)
def test_mistakes_are_told(arguments: list[str], problem: str) -> None:
    error = CliRunner().invoke(app, ["plan", str(SHANYU), *arguments]).exception
    assert isinstance(error, LoraMarketingError)
    assert problem in str(error)


def test_a_plan_adds_up(tmp_path: Path) -> None:
    loaded = load_recipe(write_world(tmp_path), ["train.epochs=2", "train.batch_size=4"])
    data = prepare(loaded)
    plan = make_plan(loaded, data, Device("a GPU", "cuda", 8 * GIB))
    own = sum(len(estimated(row, loaded.brand).input_ids) for row in data.train)
    assert plan.row_tokens == 2 * own
    assert plan.computed_tokens < plan.row_tokens
    assert plan.steps == 6
    assert (plan.seconds, plan.usd) == (None, None)
    padded = make_plan(load_recipe(loaded.path, ["train.packing=padded"]), data, plan.device)
    assert padded.computed_tokens >= padded.row_tokens
    assert not padded.tree


def test_estimated_rows_share_what_they_begin_with(tmp_path: Path) -> None:
    loaded = load_recipe(write_world(tmp_path))
    one, other = (estimated(row, loaded.brand) for row in prepare(loaded).train[:2])
    pairs = zip(one.input_ids, other.input_ids, strict=False)
    shared = next(place for place, (a, b) in enumerate(pairs) if a != b)
    assert shared > len(loaded.brand.guide) / 4
    assert set(one.labels[: one.prompt_length]) == {-100}
    assert -100 not in one.labels[one.prompt_length :]
