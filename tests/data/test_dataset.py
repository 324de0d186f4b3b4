from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.common.errors import DataError, LoraMarketingError, RecipeError
from lora_marketing.data.dataset import Dataset, prepare, read_briefs, read_examples
from lora_marketing.recipe import load_recipe
from tests.making import BRANDS, row, rows, tree, write_rows, write_world


def prepared(path: Path, found: list[Any], *overrides: str) -> Dataset:
    write_rows(path.parent / "texts.jsonl", found)
    return prepare(load_recipe(path, overrides))


def told(path: Path, found: list[Any], *overrides: str) -> list[str]:
    """Every problem of the texts as `line: what`."""
    with pytest.raises(DataError) as caught:
        prepared(path, found, *overrides)
    return [f"{p.where}".rpartition("jsonl:")[2] + f": {p.what}" for p in caught.value.problems]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_world(tmp_path)


BANNED = "text of tidal contains a banned term or competitor"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"id": "a", "text": ', "broken JSON"),
        ("{'id': 'a'}", "broken JSON"),
        ("hello", "broken JSON"),
        ('{"a": 1} {"b": 2}', "broken JSON"),
        ('{"id": "a", "id": "b"}', "broken JSON"),
        ('{"attributes": {"a": "1", "a": "2"}}', "broken JSON"),
        ("[" * 10_000, "broken JSON"),
        ("1" * 5_000, "broken JSON"),
        ("[1, 2]", "not a JSON object"),
        ("null", "not a JSON object"),
        (row(99, text=...), "row without text"),
        (row(99, id=...), "row without id"),
        (row(99, channel=...), "row without channel"),
        (row(99, text=None), "text is not allowed"),
        (row(99, text=" \n "), "text is not allowed"),
        (row(99, text="a\0b"), "text is not allowed"),
        (row(99, text=5), "text is not allowed"),
        (
            '{"id": "a", "product": "p", "channel": "sms", "field": "text", "text": "\\ud800"}',
            "text is not allowed",
        ),
        (row(99, attributes={"price": 6}), "attributes.price is not allowed"),
        (row(99, txet="a"), "unknown key txet"),
        (row(99, id="soap-001"), 'duplicate id "soap-001"'),
        (row(99, channel="metafeed"), 'unknown channel "metafeed"'),
        (row(99, field="headlin"), 'channel meta_feed has no field "headlin"'),
        (row(99, task="adcopy"), 'unknown task "adcopy"'),
        (row(99, line="sope"), 'brand tidal has no line "sope"'),
        (row(99, text="For Perfect Skin."), BANNED),
        (row(99, text="Not Fjordsuds."), BANNED),
        (row(99, line="candle", text="A miracle."), BANNED),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else None,
)
def test_a_row_that_cannot_be_used_is_told_with_its_line(recipe: Path, line: Any, what: str) -> None:
    assert told(recipe, [*rows(), "", line]) == [f"14: {what}"]


@pytest.mark.parametrize(
    ("changes", "near"),
    [
        ({"channel": "metafeed"}, "meta_feed"),
        ({"field": "headlin"}, "headline"),
        ({"task": "adcopy"}, "ad_copy"),
        ({"line": "sope"}, "soap"),
        ({"audence": "all"}, "audience"),
    ],
)
def test_the_nearest_name_is_offered(recipe: Path, changes: dict[str, str], near: str) -> None:
    with pytest.raises(DataError, match=f'did you mean "{near}"'):
        prepared(recipe, [*rows(), row(99, **changes)])


def test_broken_json_is_shown_where_it_breaks(recipe: Path) -> None:
    with pytest.raises(DataError) as caught:
        prepared(recipe, [*rows(), '{"id": "a", "text": "unclosed}'])
    (problem,) = caught.value.problems
    assert problem.got == 'Unterminated string starting at at column 21: \'{"id": "a", "text": "unclosed}\''
    assert problem.fix == "one JSON object a line"


def test_all_problems_of_both_files_come_at_once(recipe: Path) -> None:
    write_rows(recipe.parent / "held-out.jsonl", [row(50), "{", row(51, text="A miracle.")])
    found = [row(1), "{", row(2, text=...), row(3, chanel="sms"), row(1), row(4, text="A miracle.")]
    assert told(recipe, found, f"data.validation={recipe.parent / 'held-out.jsonl'}") == [
        "2: broken JSON",
        "3: row without text",
        "4: unknown key chanel",
        '5: duplicate id "soap-001"',
        f"6: {BANNED}",
        "2: broken JSON",
        f"3: {BANNED}",
    ]


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ([], "no rows to train on"),
        (["", "  "], "no rows to train on"),
        ([row(n, line="candle") for n in range(20)], "no rows to train on"),
        (rows(7), "too few rows to train on"),
        ([row(n, id=f"a{n}") | {"product": "p", "text": "t"} for n in range(20)], "too few rows to train on"),
    ],
)
def test_too_few_rows(recipe: Path, found: list[Any], what: str) -> None:
    with pytest.raises(DataError, match=what) as caught:
        prepared(recipe, found)
    assert "of line soap" in str(caught.value)
    assert "at least 8" in str(caught.value)


def test_eight_rows_are_enough(recipe: Path) -> None:
    data = prepared(recipe, rows(8))
    assert (len(data.train), len(data.validation)) == (7, 1)


def test_a_held_out_file_needs_rows_and_a_texts_file_needs_one(recipe: Path) -> None:
    held_out = write_rows(recipe.parent / "held-out.jsonl", [])
    override = f"data.validation={held_out}"
    assert told(recipe, rows(3), override)[0].endswith("no rows to train on")
    write_rows(held_out, [row(60), row(61, line="candle"), row(62, line=...)])
    data = prepared(recipe, rows(3), override)
    assert [example.id for example in data.train] == ["soap-001", "soap-002", "soap-003"]
    assert [example.id for example in data.validation] == ["soap-060", "soap-062"]


@pytest.mark.parametrize("raw", [b"\xff", b"\xff\xfe{\x00}\x00"])
def test_texts_that_are_not_utf_8(recipe: Path, raw: bytes) -> None:
    loaded = load_recipe(recipe)
    loaded.train_file.write_bytes(raw)
    with pytest.raises(DataError, match="not UTF-8"):
        prepare(loaded)
    loaded.train_file.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        prepare(loaded)


def test_byte_order_mark_line_ends_and_odd_separators_do_not_matter(recipe: Path) -> None:
    plain = prepared(recipe, [row(1, text="a\u2028b\u2029c"), *rows()[1:]])
    path = load_recipe(recipe).train_file
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert prepare(load_recipe(recipe)).hashes() == plain.hashes()


def test_rows_of_other_lines_stay_out_and_rows_of_no_line_come_in(recipe: Path) -> None:
    data = prepared(recipe, [*rows(), row(20, line="candle"), row(21, line=...)])
    ids = {example.id for example in (*data.train, *data.validation)}
    assert ids == {example["id"] for example in rows()} | {"soap-021"}


def test_duplicates_are_dropped_and_counted(recipe: Path) -> None:
    same = [row(1, id=f"again-{n}") for n in range(3)]
    other_brief = row(1, id="other", audience="sailors")
    data = prepared(recipe, [*rows(), *same, other_brief])
    assert data.duplicates_dropped == 3
    assert len(data.train) + len(data.validation) == 13
    assert data.hashes()["duplicates_dropped"] == 3


def split(data: Dataset) -> tuple[list[str], list[str]]:
    return [example.id for example in data.train], [example.id for example in data.validation]


def test_the_split_is_the_same_every_time_and_hangs_on_the_seed(recipe: Path) -> None:
    first = prepared(recipe, rows(60))
    assert split(prepared(recipe, rows(60))) == split(first)
    assert split(prepared(recipe, rows(60), "train.seed=14")) != split(first)
    assert first.hashes() == prepared(recipe, rows(60)).hashes()
    train, validation = split(first)
    assert len(validation) == 6
    assert train == [example["id"] for example in rows(60) if example["id"] not in validation]
    shuffled = split(prepared(recipe, rows(60)[::-1]))
    assert (shuffled[1], sorted(shuffled[0])) == (validation, train)


def test_the_split_of_this_seed_never_changes(recipe: Path) -> None:
    """Pinned: another order of rows would change every published data hash."""
    assert split(prepared(recipe, rows(30)))[1] == ["soap-004", "soap-025", "soap-005"]


SHIPPED = {
    "ember-espresso": "60d97ef924612987",
    "ember-filter": "86b29b5ba301624b",
    "lumen-serum": "3b8707c8af7d0a22",
    "shanyu-camp": "5ca9d70ef2a95913",
}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_splits_of_the_shipped_brands_never_change(name: str) -> None:
    data = prepare(load_recipe(BRANDS / f"{name}.yaml"))
    assert str(data.hashes()["validation_sha256"]).startswith(SHIPPED[name])


def test_texts_of_one_brief_are_held_out_together(recipe: Path) -> None:
    """Under the smallest of their ids: briefs stay where they were without the other texts."""
    more = [
        row(n, id=f"z-{n}-{text}", text=text)
        for n in range(1, 31, 2)
        for text in (f"{n} soaps.", f"{n} 块香皂")
    ]
    data = prepared(recipe, [*more, *rows(30)])
    trained, held_out = ({example.product for example in part} for part in (data.train, data.validation))
    assert held_out == {"Bar 4", "Bar 25", "Bar 5"}
    assert not trained & held_out
    assert len(data.train) + len(data.validation) == 30 + len(more)
    with pytest.raises(DataError, match="all texts are of one brief or say the same"):
        prepared(recipe, [row(1, id=f"a{n}", text=f"Text {n}.") for n in range(12)])


def test_equal_texts_of_several_briefs_are_held_out_together(recipe: Path) -> None:
    """Also through other rows, and whatever their case and spaces."""
    again = [row(n, id=f"z-{n}", product=f"Tub {n}", text=f"BAR {n}.  It floats.") for n in range(1, 31)]
    further = [row(n, id=f"zz-{n}", product=f"Tub {n}", text=f"A tub, number {n}.") for n in range(1, 31)]
    data = prepared(recipe, [*rows(30), *again, *further])
    numbers = [{example.product.split()[-1] for example in part} for part in (data.train, data.validation)]
    assert numbers[1] == {"4", "25", "5"}, "under the smallest of their ids"
    assert not numbers[0] & numbers[1]
    assert len(data.validation) == 9


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"product": "Bar 1"}, "brief"), ({"text": "Bar 1. It floats."}, "text")],
)
def test_a_held_out_file_repeats_no_brief_and_no_text(
    recipe: Path, changes: dict[str, str], what: str
) -> None:
    held_out = write_rows(recipe.parent / "held-out.jsonl", [row(50, **changes), row(51)])
    said = told(recipe, rows(), f"data.validation={held_out}")
    assert [one.rpartition(": ")[2] for one in said] == [f"a held-out {what} is also trained on"]


@pytest.mark.parametrize("count", [20, 24, 25, 44, 60])
def test_one_more_row_moves_few_rows_across(recipe: Path, count: int) -> None:
    before = set(split(prepared(recipe, rows(count)))[1])
    after = set(split(prepared(recipe, rows(count + 1)))[1])
    assert len(before - after) <= 1
    assert len(after - before) <= 1


@pytest.mark.parametrize("change", [{"text": "Else."}, {"audience": "all"}, {"id": "other"}])
def test_the_hash_sees_every_change(recipe: Path, change: dict[str, str]) -> None:
    changed = [row(number, **change) if number == 3 else row(number) for number in range(1, 13)]
    assert prepared(recipe, changed).hashes() != prepared(recipe, rows()).hashes()


def test_nothing_is_written(recipe: Path) -> None:
    write_rows(recipe.parent / "texts.jsonl", rows())
    before = tree(recipe.parent)
    prepare(load_recipe(recipe))
    write_rows(recipe.parent / "texts.jsonl", ["{"])
    broken = tree(recipe.parent)
    with pytest.raises(DataError):
        prepare(load_recipe(recipe))
    assert tree(recipe.parent) == broken
    assert before.keys() == broken.keys()


def test_examples_come_with_their_places(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "texts.jsonl", [row(1), "", row(2)])
    assert [(place.rpartition(":")[2], example.id) for place, example in read_examples(path)] == [
        ("1", "soap-001"),
        ("3", "soap-002"),
    ]


@pytest.mark.parametrize("held_out", [False, True])
def test_every_row_knows_its_line_to_the_end_of_the_split(recipe: Path, held_out: bool) -> None:
    """Whatever was blank, left out or held out before it; and its place is no part of what it says."""
    lines = [row(1), "", row(2), row(3, text=row(2)["text"], product="Bar 2"), *map(row, range(4, 13))]
    late = write_rows(recipe.parent / "late.jsonl", ["", row(50), row(51)])
    found = prepared(recipe, lines, *([f"data.validation={late}"] if held_out else []))
    assert found.duplicates_dropped == 1
    for example in (*found.train, *found.validation):
        file, _, line = example.place.rpartition(":")
        assert json.loads(Path(file).read_text().splitlines()[int(line) - 1])["id"] == example.id
        assert "place" not in example.model_dump_json()
        assert example.placed("elsewhere:1") == example != example.model_copy(update={"text": "Other."})
    with pytest.raises(DataError, match="unknown key place"):
        prepared(recipe, [row(1) | {"place": "a:1"}, *map(row, range(2, 13))])


def test_a_text_on_both_sides_is_told_with_its_line(recipe: Path) -> None:
    late = write_rows(recipe.parent / "late.jsonl", [row(50), row(3, id="again")])
    with pytest.raises(DataError) as caught:
        prepared(recipe, rows(), f"data.validation={late}")
    assert [str(problem.where).rpartition("/")[2] for problem in caught.value.problems] == [
        "late.jsonl:2"
    ] * 2


def test_briefs_from_json_lines_and_yaml(tmp_path: Path) -> None:
    lines = write_rows(tmp_path / "briefs.jsonl", [row(1), row(2, text=..., id=...)])
    assert [brief.product for brief in read_briefs(lines)] == ["Bar 1", "Bar 2"]
    path = tmp_path / "brief.yaml"
    path.write_text("product: Bar\nchannel: sms\nfield: text\nattributes: {country: NO}\n", encoding="utf-8")
    assert [brief.attributes for brief in read_briefs(path)] == [{"country": "NO"}]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.jsonl", "", "no briefs"),
        ("a.jsonl", json.dumps(row(1, channel="smss")) + "\n{\n", '1: unknown channel "smss"'),
        ("a.jsonl", json.dumps(row(1, product=...)), "1: row without product"),
        ("a.yaml", "product: Bar\nchannel: smss\nfield: text\n", '2: unknown channel "smss"'),
        ("a.yaml", "product: Bar\nchannel: sms\nfield: txt\n", 'channel sms has no field "txt"'),
        ("a.yml", "product: Bar\nchannel: sms\nfield: text\ntask: write\n", 'unknown task "write"'),
        ("a.yaml", "product: 5\nchannel: sms\nfield: text\n", "1: product is not allowed"),
        ("a.yaml", "", "must be a mapping"),
    ],
)
def test_briefs_that_cannot_be_used(tmp_path: Path, name: str, text: str, told: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LoraMarketingError, match=re.escape(told)) as caught:
        read_briefs(path)
    assert isinstance(caught.value, DataError | RecipeError) or name == "a.yaml"
    assert len(caught.value.problems) == 1 + text.endswith("{\n")


@pytest.mark.parametrize("letter", ["\x1b[2J", "\x9b", "\u202e", "\u2066", "\u2028", "\ud800", "\U000e0041"])
@pytest.mark.parametrize("key", ["product", "audience", "notes", "attributes", "channel"])
def test_control_characters_of_a_brief_are_told_with_its_line(tmp_path: Path, key: str, letter: str) -> None:
    asked: dict[str, object] = {"product": "Bar", "channel": "sms", "field": "text"}
    wrong = asked | {key: {"note": f"a{letter}b"} if key == "attributes" else f"a{letter}b"}
    path = tmp_path / "briefs.jsonl"
    path.write_text(json.dumps(asked) + "\n" + json.dumps(wrong) + "\n")
    with pytest.raises(DataError) as caught:
        read_briefs(path)
    assert {str(problem.where)[-2:] for problem in caught.value.problems} == {":2"}
    assert str(caught.value).encode("utf-8", "backslashreplace").decode().isascii()


def test_letters_are_composed_and_lines_end_one_way(tmp_path: Path) -> None:
    path = tmp_path / "briefs.jsonl"
    asked = {"product": "Cafe\u0301", "channel": "sms", "field": "text", "notes": "a\r\nb"}
    path.write_text(json.dumps(asked))
    (brief,) = read_briefs(path)
    assert (brief.product, brief.notes) == ("Café", "a\nb")
