"""`evaluate` and `score`: the same figures on a screen, as JSON, in a file and in a report."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lora_marketing.cli import main
from lora_marketing.copy.record import write_copies
from lora_marketing.evaluation import Evaluation, ScoringOptions, evaluate, read_evaluation
from lora_marketing.evaluation.statistics import UNCORRECTED
from lora_marketing.model_eval import TrialOptions
from lora_marketing.registry.names import AdapterName, AdapterRef
from lora_marketing.registry.store import Registry
from tests.evaluation.making import copy, examples, many_copies, recipes
from tests.making import BRANDS
from tests.registry.making import manifest, write_adapter

Run = Callable[..., tuple[int, str, str]]
RECIPES = [
    part
    for name in ("ember-espresso", "lumen-serum", "shanyu-camp")
    for part in ("--recipe", str(BRANDS / f"{name}.yaml"))
]

pytestmark = pytest.mark.usefixtures("voices_once")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    write_copies(tmp_path / "copies.jsonl", many_copies(48))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")  # narrower ones break titles

    def ran(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lora-marketing", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return ran


@pytest.mark.thorough
def test_it_shows_keeps_compares_and_reports(run: Run, tmp_path: Path) -> None:
    asked = ["--against", "base", "--out", "kept.json", "--report", "report.html"]
    code, out, err = run("score", "copies.jsonl", *RECIPES, *asked)
    assert (code, err) == (0, "")
    assert "Voice classifier on held-out real texts" in out
    assert UNCORRECTED in out
    assert all(title in out for title in ("named right", "self-BLEU", "slot errors", "difference"))
    kept = read_evaluation(tmp_path / "kept.json")
    assert len(kept.texts) == 48
    assert {one.against for one in kept.comparisons} == {"base"}
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    # what is kept is shown and compared again without recipes
    code, out, _ = run("score", "kept.json", "--against", "kept.json", "--json")
    again = json.loads(out)
    assert code == 0
    assert again["held_out"]["accuracy"] > 0.9
    assert {one["difference"]["value"] for one in again["comparisons"]} == {0}


@pytest.mark.thorough
@pytest.mark.parametrize(("place", "against"), [(0, "base,prod"), (1, "base,prod"), (0, None)])
def test_the_adapter_that_was_asked_for_is_compared_with_the_others(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, against: str | None
) -> None:
    """Whatever their names: `base` comes before `ember`, and `prod` before or after the candidate."""
    registry, folder = Registry(tmp_path / "adapters"), write_adapter(tmp_path / "adapter")
    name = AdapterName("ember", "espresso")
    versions = [registry.publish(name, folder, manifest(name, seed=seed)) for seed in (1, 2)]
    judged, prod = versions[place], versions[1 - place]
    for version, alias in ((judged, "candidate"), (prod, "prod")):
        registry.promote(AdapterRef(name, digest=version.digest), alias)
    others = {"base", str(prod)} if against else {"base"}
    asked: list[object] = []

    def wrote(root: Path, ref: str, options: TrialOptions) -> Evaluation:
        asked.extend((ref, options.against, options.recipe, options.voices))
        copies = [
            copy("It is dark.", "ember", adapter=None if writer == "base" else writer, brief=row.brief())
            for writer in (str(judged), *others)
            for row in examples(recipes()[0])[:4]
        ]
        return evaluate(copies, [], recipes()[:1], ScoringOptions(metrics=["length"]))

    monkeypatch.setattr("lora_marketing.model_eval.judge", wrote)
    asking = ["--against", against] if against else []
    code, out, _ = run("evaluate", "ember/espresso@candidate", *RECIPES, *asking, "--json")
    assert code == 0
    own, *others_recipes = (Path(path) for path in RECIPES[1::2])
    assert asked == [f"{name}:{judged.digest}", (against or "base").split(","), own, others_recipes]
    found = {(one["writer"], one["against"]) for one in json.loads(out)["comparisons"]}
    assert found == {(str(judged), other) for other in others}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["score", "copies.jsonl"], "--recipe"),
        (["score", "copies.jsonl", *RECIPES, "--metrics", "bleuu"], 'did you mean "bleu"'),
        (["score", "copies.jsonl", *RECIPES, "--metrics", "length", "--against", "bsae"], '"base"'),
        (["score", "copies.jsonl", *RECIPES, "--judge", "http://x", "--against", "base"], "--judge-model"),
        (["score", "copies.jsonl", *RECIPES, "--judge", "http://x", "--judge-model", "m"], "two writers"),
        (["evaluate", "x/y", *RECIPES, "--judge-model", "m"], "add --judge URL"),
        (["evaluate", "x/y", *RECIPES, "--judge", "http://x"], "--judge-model"),
    ],
)
def test_mistakes_are_told(run: Run, arguments: list[str], told: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert told in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate"],
        ["score"],
        ["score", "copies.jsonl", "--limit", "3"],
        ["score", "copies.jsonl", "--variants", "2"],
        ["evaluate", "x/y", "--metrics", "bleu"],
        ["evaluate", "x/y", "--references", "r.jsonl"],
    ],
    ids=" ".join,
)
def test_each_command_has_its_own_options(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "Missing argument" in err or f"No such option: {arguments[2]}" in err


def test_options_that_a_kept_evaluation_would_pass_over_are_all_refused(run: Run) -> None:
    unused = ["--references", "r.jsonl", "--metrics", "bleu", "--wordings", "w.yaml", "--seed", "0"]
    code, out, err = run("score", "kept.json", *RECIPES, *unused)
    assert (code, out) == (2, "")
    names = ["--recipe", *unused[::2]]
    assert [name for name in names if f"{name} has no use with kept.json" not in err] == []
    assert err.count("has no use") == len(names)


def test_a_kept_evaluation_is_no_alias(run: Run) -> None:
    code, _, err = run("evaluate", "x/y", "--against", "base,kept.json")
    assert (code, "got: kept.json" in err) == (2, True)
