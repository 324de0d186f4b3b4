"""`tune` on the command line: what it writes, and what it says of mistakes."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.cli import main
from lora_marketing.tuning.objectives import OBJECTIVES
from tests.making import RECIPE, ROOT, rows, tree, write_world

HEAVY = {"torch", "transformers", "optuna", "sacrebleu", "sklearn", "matplotlib", "numpy"}
SPY = """
import atexit, sys
atexit.register(lambda path: print(*sys.modules, file=open(path, "w")), sys.argv[1])
sys.argv = ["lora-marketing", "tune", "--help"]
from lora_marketing.cli import main; main()
"""
SMALL = """\
schema: 1
base: {{id: {base}, quantization: none, compute_dtype: float32}}
lora: {{rank: 4, alpha: 8}}
brand: {{profile: brand.yaml, line: soap}}
data: {{train: texts.jsonl, validation_fraction: 0.25, max_length: 4096}}
train: {{epochs: 1, batch_size: 6, micro_batch_size: 6, learning_rate: 5e-3}}
eval: {{per_epoch: 1, briefs: 2, max_new_tokens: 4}}
"""


def lora_marketing(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lora-marketing", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    listed = tmp_path / "modules"
    done = subprocess.run(
        [sys.executable, "-c", SPY, str(listed)], capture_output=True, text=True, check=True, env=environment
    )
    assert f"One of {', '.join(OBJECTIVES)}." in " ".join(done.stdout.split())
    assert set(listed.read_text().split()) & HEAVY == set()


@pytest.mark.thorough
def test_a_study_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lora_marketing.engine.tiny_base import make_tiny_base
    from lora_marketing.recipe import load_recipe

    monkeypatch.setenv("LORA_MARKETING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LORA_MARKETING_VERBOSE", "1")  # leaves the libraries' settings to other tests
    monkeypatch.setenv("COLUMNS", "160")
    base = make_tiny_base("llama", "smollm2", [row["text"] for row in rows()], tmp_path / "base")
    project = write_world(tmp_path / "project", SMALL.format(base=base)).parent
    monkeypatch.chdir(project)
    (project / "space.yaml").write_text("schema: 1\nrank: [2, 4]\nlearning_rate: {low: 1e-3, high: 2e-2}\n")
    command = ["tune", "recipe.yaml", "--space", "space.yaml", "--set", "eval.briefs=1", "--trials"]
    assert lora_marketing(monkeypatch, *command, "2") == 0
    assert lora_marketing(monkeypatch, *command, "3", "--resume") == 0
    said = capsys.readouterr()
    study = project / "studies" / "tidal-soap"
    assert {path.name for path in study.iterdir()} == {
        "journal.jsonl",
        "trials.csv",
        "trials.png",
        "best.yaml",
    }
    found = list(csv.DictReader((study / "trials.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["trial"] for row in found] == ["0", "1", "2"]
    assert said.out.splitlines()[-1] == "studies/tidal-soap/best.yaml"
    assert "recipe" in said.out
    assert not (project / "adapters").exists(), "nothing is published"
    best = min(found, key=lambda row: float(row["held_out_loss"]))
    recipe = load_recipe(study / "best.yaml").recipe
    assert (recipe.lora.rank, recipe.lora.alpha) == (int(best["lora.rank"]), int(best["lora.alpha"]))
    assert recipe.train.learning_rate == float(best["train.learning_rate"])
    assert recipe.eval.briefs == 1
    assert lora_marketing(monkeypatch, "check", "studies/tidal-soap/best.yaml") == 0


MISTAKES: dict[str, tuple[list[str], str, str]] = {
    "no recipe": (["gone.yaml"], "gone.yaml", "No such file"),
    "objective": (["recipe.yaml", "--objective", "stop_rat"], "stop_rat", '"stop_rate"'),
    "no other brand": (["recipe.yaml", "--objective", "voice"], "voice", "--against"),
    "no briefs": (["recipe.yaml", "--objective", "chrf", "--set", "eval.briefs=0"], "eval.briefs", "8"),
    "space": (["recipe.yaml", "--space", "space.yaml"], "space.yaml:2", '"rank"'),
    "no space": (["recipe.yaml", "--space", "gone.yaml"], "gone.yaml", "No such file"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_ends_with_code_2_and_nothing_changed(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, where, told = MISTAKES[case]
    write_world(tmp_path, RECIPE)
    (tmp_path / "space.yaml").write_text("schema: 1\nrnak: [8, 16]\n")
    before = tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert lora_marketing(monkeypatch, "tune", *arguments) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert where in said.err
    assert told in said.err
    assert tree(tmp_path) == before


def test_without_optuna_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(name: str) -> Any:
        return None if name == "optuna" else find_spec(name)

    monkeypatch.setattr("lora_marketing.cli.tune.find_spec", found)
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path, RECIPE)
    assert lora_marketing(monkeypatch, "tune", "recipe.yaml") == 2
    assert 'pip install "lora_marketing[tune]"' in capsys.readouterr().err
