"""Approved texts as training rows, and pairs for preference training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_marketing.brands.brand import Brief
from lora_marketing.common.errors import DataError, RecipeError
from lora_marketing.data.dataset import prepare, read_texts
from lora_marketing.recipe import load_recipe
from lora_marketing.review import approved_rows, pairs
from tests.making import write_world
from tests.review.making import copy, decide, put_up


def recipe_of(folder: Path, count: int = 10) -> Path:
    """A recipe whose rows are what was approved in a queue beside it."""
    recipe = write_world(folder)
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("texts.jsonl", '"approved:review.db"'), encoding="utf-8")
    copies = (copy(f"第 {number} 块香皂。", {"product": f"Bar {number}x"}) for number in range(count))
    for item in put_up(folder / "review.db", *copies):
        decide(folder / "review.db", item, "approved")
    return recipe


def test_only_what_was_taken_is_a_row(tmp_path: Path) -> None:
    db = tmp_path / "review.db"
    good, other, bad, _ = put_up(db, copy("A"), copy("B"), copy("C"), copy("D"))
    (far,) = put_up(db, copy("E", brand="fjord"))
    decide(db, good, "approved")
    decide(db, other, "edited", text="改好的")
    decide(db, bad, "rejected")
    decide(db, far, "approved")
    rows = [row for _, row in approved_rows(db, "tidal")]
    assert [(row.id, row.text, row.line) for row in rows] == [
        (good.id, "A", "soap"),
        (other.id, "改好的", "soap"),
    ]
    assert approved_rows(db, "tidal", "candle") == []


def test_a_recipe_learns_from_the_queue(tmp_path: Path) -> None:
    loaded = load_recipe(recipe_of(tmp_path))
    data = prepare(loaded)
    assert len(data.train) + len(data.validation) == len(read_texts(loaded)) == 10
    assert all(row.text.startswith("第") for row in data.train)
    assert loaded.portable()["data"]["train"] == "approved:review.db"
    assert loaded.train_file == tmp_path / "review.db"
    for example in (*data.train, *data.validation):
        assert example.place.endswith(f"review.db {example.id[:16]}")
    before = data.hashes()
    (item,) = put_up(tmp_path / "review.db", copy("One more."))
    assert prepare(loaded).hashes() == before
    decide(tmp_path / "review.db", item, "approved")
    assert prepare(loaded).hashes() != before


def test_errors_are_those_of_files(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, 9)
    db = tmp_path / "review.db"
    put = put_up(db, copy("A miracle."), copy("x\x07"))
    decide(db, put[0], "approved", override="a quotation")
    with pytest.raises(DataError, match=rf"review.db {put[0].id[:16]}: text of tidal contains a banned term"):
        prepare(load_recipe(recipe))
    decide(db, put[1], "approved")
    with pytest.raises(DataError, match=rf"review.db {put[1].id[:16]}: text is not allowed"):
        prepare(load_recipe(recipe))
    with pytest.raises(RecipeError, match=r"data\.train is not there"):
        load_recipe(recipe, ["data.train=approved:gone.db"])
    with pytest.raises(DataError, match="too few rows"):
        prepare(load_recipe(recipe_of(tmp_path / "few", 3)))


def test_the_queue_may_be_the_held_out_texts(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path)
    overrides = [f"data.train={tmp_path / 'texts.jsonl'}", f"data.validation=approved:{tmp_path}/review.db"]
    data = prepare(load_recipe(recipe, overrides))
    assert (len(data.train), len(data.validation)) == (12, 10)


def test_pairs_are_of_one_brief(tmp_path: Path) -> None:
    db = tmp_path / "review.db"
    a, b, c, d = put_up(db, copy("A"), copy("B"), copy("C"), copy("D", {"field": "primary_text"}))
    decide(db, a, "approved")
    decide(db, b, "edited", text="B+")
    decide(db, c, "rejected")
    decide(db, d, "rejected")
    found = pairs(db, "tidal", "soap")
    assert {(pair.chosen, pair.rejected) for pair in found} == {("A", "C"), ("B+", "B"), ("B+", "C")}
    assert {pair.ids for pair in found} == {(a.id, c.id), (b.id, b.id), (b.id, c.id)}
    row = found[0].row()
    assert {"id", "chosen", "rejected", *Brief.model_fields} == row.keys()
    assert len({pair.row()["id"] for pair in found}) == 3
    assert json.loads(json.dumps(row)) == row
    assert pairs(db, "fjord") == []
