"""`evaluate --from`: the same figures on a screen, as JSON, in a file and in a report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from evaluation.making import many_copies
from making import BRANDS

from lora_marketing.cli import main
from lora_marketing.copies import write_copies
from lora_marketing.evaluation import read_evaluation

Run = Callable[..., tuple[int, str, str]]
RECIPES = [
    part
    for name in ("ember-espresso", "lumen-serum", "shanyu-camp")
    for part in ("--recipe", str(BRANDS / f"{name}.yaml"))
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    write_copies(tmp_path / "copies.jsonl", many_copies(48))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")  # narrower ones break titles

    def ran(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lora-marketing", "evaluate", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return ran


@pytest.mark.thorough
def test_it_shows_keeps_compares_and_reports(run: Run, tmp_path: Path) -> None:
    asked = ["--against", "base", "--out", "kept.json", "--report", "report.html"]
    code, out, err = run("--from", "copies.jsonl", *RECIPES, *asked)
    assert (code, err) == (0, "")
    assert "Voice classifier on held-out real texts" in out
    assert all(title in out for title in ("named right", "self-BLEU", "slot errors", "difference"))
    kept = read_evaluation(tmp_path / "kept.json")
    assert len(kept.texts) == 48
    assert {one.against for one in kept.comparisons} == {"base"}
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    # what is kept is shown and compared again without recipes
    code, out, _ = run("--from", "kept.json", "--against", "kept.json", "--json")
    again = json.loads(out)
    assert code == 0
    assert again["held_out"]["accuracy"] > 0.9
    assert {one["difference"]["value"] for one in again["comparisons"]} == {0}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "nothing to evaluate"),
        (["--from", "copies.jsonl"], "--recipe"),
        (["--from", "copies.jsonl", *RECIPES, "--metrics", "bleuu"], 'did you mean "bleu"'),
        (["--from", "copies.jsonl", *RECIPES, "--metrics", "length", "--against", "bsae"], '"base"'),
        (["--from", "copies.jsonl", *RECIPES, "--metrics", "length", "--judge", "http://x"], "--judge-model"),
    ],
)
def test_mistakes_are_told(run: Run, arguments: list[str], told: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert told in err
