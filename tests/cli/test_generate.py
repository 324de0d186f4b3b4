"""`generate`: chosen texts on stdout, what it took and what was found on stderr, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.copy.ranking import Parts
from lora_marketing.copy.record import Copy, read_copies
from lora_marketing.data.dataset import read_examples
from lora_marketing.guards import Finding
from lora_marketing.writing.copywriter import Voice
from lora_marketing.writing.until_good import BriefOutcome, Cost, Effort, Good
from tests.making import BRANDS

PROFILE = {"schema": 1, "name": "tidal", "display_name": "Tidal", "locale": "en-GB", "guide": "g"}
VOICE = Voice(Brand.model_validate({**PROFILE, "lines": {"soap": "Bars."}}), "soap")
ASKED = ["generate", "Bar", "--recipe", "r.yaml", "--channel", "sms"]


def copy(brief: Brief, text: str, **more: Any) -> Copy:
    known: dict[str, Any] = {"brand": "tidal", "line": "soap", "adapter": None, "digest": None, "base": "b"}
    known |= {"seed": 1, "variant": 0, "prompt_sha256": "p", "stopped": True, "tokens": 3}
    return Copy(**{**known, "text": text, "brief": brief, **more})


class Desk:
    """Stands for a desk: some briefs have a good text, `Nothing` has none."""

    def __init__(self) -> None:
        self.efforts: list[Effort] = []
        self.classifier: Any = None

    def write(self, briefs: Sequence[Brief], *_: Any, **__: Any) -> list[Copy]:
        return [copy(brief, "[raw]") for brief in briefs]

    def write_until_good(
        self, briefs: Sequence[Brief], effort: Effort, *_: Any, classifier: Any, **__: Any
    ) -> list[BriefOutcome]:
        self.efforts.append(effort)
        self.classifier = classifier
        return [self._outcome(brief) for brief in briefs]

    def _outcome(self, brief: Brief) -> BriefOutcome:
        cost = Cost(4, 2, 12)
        if brief.product == "Doubts":
            doubt = copy(brief, "Best bar.", verdict="review", round=2)
            tried = (copy(brief, "x", verdict="fix"), doubt, copy(brief, "y", verdict="fix", variant=1))
            return BriefOutcome(VOICE, brief, (), tried, cost)
        if brief.product == "Nothing":
            found = Finding(rule="length.long", severity="fix", message="far too long")
            return BriefOutcome(VOICE, brief, (), (copy(brief, "xx", findings=[found], verdict="fix"),), cost)
        good = copy(brief, "It [bold]floats.", verdict="pass")
        parts = Parts(voice=None, faithfulness=1, diversity=1, length=0.5, total=0.9)
        return BriefOutcome(VOICE, brief, (Good(good, parts),), (good,), cost)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk()
    monkeypatch.setattr(
        "lora_marketing.writing.session.WritingSession", SimpleNamespace(open=lambda *_: made)
    )
    return made


def run(*arguments: str) -> Any:
    from lora_marketing.cli.app import app

    return CliRunner().invoke(app, list(arguments))


def test_what_passed_is_shown_as_it_is(desk: Desk) -> None:
    done = run(*ASKED, "--variants", "2", "--tries", "3", "--rounds", "5")
    assert done.exit_code == 0
    assert "It [bold]floats." in done.stdout
    assert "1 passed (4 texts, 2 rounds, 12 tokens)" in done.stderr
    assert "variant 0: ranked 0.90: faithfulness 1.00, diversity 1.00, length 0.50" in done.stderr
    assert desk.efforts == [Effort(wanted=2, tries=6, rounds=5)]
    assert desk.classifier is None


@pytest.mark.thorough
def test_recipes_teach_what_hears_the_voices(desk: Desk) -> None:
    recipes = [str(BRANDS / f"{name}.yaml") for name in ("ember-espresso", "lumen-serum")]
    assert run(*ASKED, "--voices", recipes[0], "--voices", recipes[1]).exit_code == 0
    (_, row) = read_examples(BRANDS / "lumen" / "texts.jsonl")[0]
    assert desk.classifier.predict([row.text])[0].brand == "lumen"
    alone = run(*ASKED, "--voices", recipes[0])
    assert "brands" in str(alone.exception)


def test_no_variant_passed_is_said_with_the_findings_and_code_1(desk: Desk) -> None:
    done = run(*ASKED[:1], "Nothing", *ASKED[2:])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no variant passed" in done.stderr
    assert "fix length.long: far too long" in done.stderr


def test_json_and_files_hold_verdict_and_findings(desk: Desk, tmp_path: Path) -> None:
    done = run(*ASKED, "--json", "--out", str(tmp_path / "c.jsonl"))
    (line,) = done.stdout.splitlines()
    said = json.loads(line)
    assert (said["verdict"], said["findings"], said["mended"]) == ("pass", [], [])
    assert read_copies(tmp_path / "c.jsonl")[0].id == said["id"]


def test_what_waits_for_a_person_is_kept_but_not_shown(desk: Desk, tmp_path: Path) -> None:
    kept = tmp_path / "c.jsonl"
    done = run(*ASKED[:1], "Doubts", *ASKED[2:], "--out", str(kept))
    assert (done.exit_code, done.stdout) == (1, "")
    assert [(one.text, one.verdict) for one in read_copies(kept)] == [("Best bar.", "review")]
    assert f"for a person to decide: 1 (lora-marketing review add {kept})" in done.stderr
    assert "keep them with --out FILE" in run(*ASKED[:1], "Doubts", *ASKED[2:]).stderr


def test_raw_is_what_the_model_says(desk: Desk) -> None:
    done = run(*ASKED, "--raw")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "[raw]" in done.stdout
    assert not desk.efforts


def test_a_whole_ad_is_a_field_where_the_channel_has_ads(desk: Desk) -> None:
    assert (
        run("generate", "Bar", "--recipe", "r.yaml", "--channel", "google_rsa", "--field", "ad").exit_code
        == 0
    )
    done = run(*ASKED, "--field", "ad")
    assert done.exit_code != 0
    assert 'no whole "ad"' in str(done.exception)
