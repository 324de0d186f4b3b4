"""`abtest` on the command line: the table, the verdict, the texts of a queue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lora_marketing.cli.app import app
from lora_marketing.common.errors import DataError, LoraMarketingError, ReviewError
from tests.review.making import copy, put_up


def call(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["abtest", *map(str, arguments)], env={"COLUMNS": "200"})
    if isinstance(done.exception, LoraMarketingError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def results(folder: Path, *rows: tuple[str, int, int, int]) -> Path:
    path = folder / "results.csv"
    lines = ["ID,Impressions,Clicks,Conversions", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_winner_with_its_text(tmp_path: Path) -> None:
    one, two = put_up(tmp_path / "review.db", copy("It floats."), copy("[香皂] 会浮。"))
    file = results(tmp_path, (one.id, 50_000, 1000, 9), (two.id[:20], 50_000, 1300, 9))
    said = call(file, "--queue", tmp_path / "review.db")
    assert f"Winner: {two.id[:20]}" in said
    assert "It floats." in said
    assert "[香皂] 会浮。" in said
    told = json.loads(call(file, "--json", "--queue", tmp_path / "review.db"))
    assert (told["winner"], told["more_impressions"]) == (two.id[:20], 0)
    assert told["variants"][1]["text"] == "[香皂] 会浮。"
    assert told["variants"][1]["rate"] == pytest.approx(1301 / 50_002)
    assert sum(variant["next_weight"] for variant in told["variants"]) == pytest.approx(1)


def test_an_ad_is_named_by_the_ids_of_its_texts(tmp_path: Path) -> None:
    one, two, three = put_up(tmp_path / "review.db", copy("It floats."), copy("香皂会浮。"), copy("Sailors."))
    ads = f"{one.id[:8]}+{two.id[:8]}", f"Gift card {three.id[:8]}"
    file = results(tmp_path, (ads[0], 50_000, 1000, 9), (ads[1], 50_000, 1300, 9))
    told = json.loads(call(file, "--json", "--queue", tmp_path / "review.db"))
    assert {row["id"]: row["text"] for row in told["variants"]} == {
        ads[0]: "It floats.\n香皂会浮。",
        ads[1]: "Sailors.",
    }


def test_not_decided(tmp_path: Path) -> None:
    file = results(tmp_path, ("a", 2000, 40, 2), ("b", 2000, 46, 2))
    more = json.loads(call(file, "--json"))["more_impressions"]
    assert f"Not decided: about {more} more impressions" in call(file)
    for option in ("--max-expected-loss", "--care"):
        assert "Winner: b" in call(file, option, "0.9")
    for option in ("--min-trials", "--least"):
        assert "Not decided: about" in call(file, "--care", "0.9", option, "2001")
    empty = results(tmp_path, ("a", 0, 0, 0), ("b", 0, 0, 0))
    assert "more than a thousand" in call(empty, "--min-trials", "0")
    strong = json.loads(call(file, "--json", "--metric", "cvr", "--prior", "500,500"))
    assert strong["variants"][0]["rate"] == pytest.approx(0.5, abs=0.03)


def test_what_cannot_be_told(tmp_path: Path) -> None:
    file = results(tmp_path, ("a", 9, 1, 0), ("b", 9, 1, 0))
    for prior in ("1", "0,1", "a,b", "1,nan", "1,inf", "1,1,1"):
        with pytest.raises(DataError, match="not a prior"):
            call(file, "--prior", prior)
    put_up(tmp_path / "review.db", copy())
    with pytest.raises(ReviewError, match="no text has this id"):
        call(results(tmp_path, ("x1", 9, 1, 0), ("x2", 9, 1, 0)), "--queue", tmp_path / "review.db")
