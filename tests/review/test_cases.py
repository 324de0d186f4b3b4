"""Copies and results that once went wrong, each by its right value."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lora_marketing.abtest.results import read_results_file
from lora_marketing.cli.app import app
from lora_marketing.common.errors import ReviewError
from lora_marketing.review import Queue
from lora_marketing.review.sheet import read_sheet

CASES = Path(__file__).parent / "cases"


def call(db: Path, *arguments: str | Path) -> Result:
    done = CliRunner().invoke(app, ["review", *map(str, arguments), "--queue", str(db)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "review.db"


def put_up(db: Path, name: str) -> None:
    adapters = db.parent / "adapters"
    call(db, "add", CASES / name, "--profile", CASES / "tidal.yaml", "--adapters", adapters)


def test_residue_passes_no_guard(db: Path) -> None:
    put_up(db, "residue.jsonl")
    with Queue(db) as queue:
        rules = [{one.rule for one in item.findings} for item in queue.items()]
        verdicts = [item.verdict for item in queue.items()]
    expected = ("slot", "encoding", "encoding", "entity", "line_break", "filler")
    assert all(f"residue.{rule}" in found for rule, found in zip(expected, rules, strict=True))
    assert "pass" not in verdicts


def test_a_headline_has_one_line(db: Path) -> None:
    put_up(db, "newline_rsa.jsonl")
    with Queue(db) as queue:
        assert [item.verdict == "pass" for item in queue.items()] == [False, True, True, True, True]
        ids = [item.id for item in queue.items()]
    call(db, "approve", *ids, "--by", "Ann")
    with pytest.raises(ReviewError, match="a line break in a headline"):
        call(
            db,
            "export",
            "--to",
            "google-ads",
            "--out",
            db.parent / "ads.csv",
            "--ship",
            "--url",
            "https://a.example",
        )


def test_no_separator_makes_a_formula(db: Path) -> None:
    put_up(db, "semicolon.jsonl")
    out = db.parent / "out.csv"
    call(db, "export", "--to", "csv", "--out", out)
    raw = out.read_bytes()
    assert b"Soap;'=1+1;x" in raw
    assert b",' =1+1," in raw
    assert [row["text"] for row in read_sheet(raw)] == ["Soap;=1+1;x", " =1+1"]
    with pytest.raises(ReviewError) as caught:
        call(db, "export", "--to", "meta", "--out", out)
    assert len(caught.value.problems) == 2


def test_results_of_a_platform() -> None:
    floats = read_results_file(CASES / "09-floats.csv")
    assert [(one.id, one.clicks, one.conversions) for one in floats.variants] == [
        ("a", 98, 4),
        ("b", 110, 3.33),
    ]
    total = read_results_file(CASES / "10-total-row.csv")
    assert [one.id for one in total.variants] == ["a", "b"]
    assert ["row 4" in remark for remark in total.remarks] == [True]
