from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from lora_marketing.common.documents import (
    Frozen,
    KeyPath,
    dotted,
    parse_scalar,
    place_of,
    read_document,
    shown,
    validated,
)
from lora_marketing.common.errors import DocumentError, RecipeError
from tests.making import property_test


def said(path: Path, raw: str | bytes) -> list[str]:
    """Every problem of a document, its file cut from the places: `:2: duplicate key a`."""
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    with pytest.raises(DocumentError) as caught:
        read_document(path)
    file = shown(path)
    assert all(str(problem.where).startswith(file) for problem in caught.value.problems)
    return [f"{problem.where}: {problem.what}".removeprefix(file) for problem in caught.value.problems]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "document.yaml"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("", None),
        ("0123", 123),
        ("0o17", 15),
        ("0x1F", 31),
        ('"0123"', "0123"),
        ("2e-4", 2e-4),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", math.inf),
        ("12:30", "12:30"),
        ("2026-11-23", "2026-11-23"),
        ("2026-99-99", "2026-99-99"),
        ("2026-11-23 10:00:00", "2026-11-23 10:00:00"),
        ("<<", "<<"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("£6", "£6"),
        ("山屿", "山屿"),
        ("[NO, 1, {a: off}]", ["NO", 1, {"a": "off"}]),
        ("!!str 12", "12"),
    ],
)
def test_values_follow_yaml_1_2(path: Path, text: str, value: object) -> None:
    path.write_text(f"a: {text}\n", encoding="utf-8")
    found = read_document(path).value["a"]
    assert found == value == parse_scalar(text)
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("", [":1: must be a mapping of keys to values"]),
        ("# nothing\n", [":1: must be a mapping of keys to values"]),
        ("- 1\n", [":1: must be a mapping of keys to values"]),
        ("just text\n", [":1: must be a mapping of keys to values"]),
        (b"a: \xff\n", [": not UTF-8 text"]),
        ("a: 1\n".encode("utf-16"), [": not UTF-8 text"]),
        ("a: 1\n\ta: 2\n", [":2: broken YAML"]),
        ("a:\n\tb: 1\n", [":2: broken YAML"]),
        ("a: 1\nb: c: d\n", [":2: broken YAML"]),
        ("a: 1\n\nb: [1, 2\n", [":4: broken YAML"]),
        ("a: 1\nb: *nobody\n", [":2: broken YAML"]),
        ("a: 1\nb: x\0y\n", [":2: broken YAML"]),
        ("a: 1\n---\nb: 2\n", [":2: broken YAML"]),
        ("# old\n%YAML 1.1\n---\na: NO\n", [":2: YAML directives are not allowed"]),
        ("a: 1\na: 2\n", [":2: duplicate key a"]),
        ('a: 1\n"a": 2\n', [":2: duplicate key a"]),
        ("a:\n  b:\n  - c: 1\n    c: 2\n", [":4: duplicate key a.b[0].c"]),
        ("a: {b: 1, b: 2}\n", [":1: duplicate key a.b"]),
        ("1: a\n", [":1: keys must be strings"]),
        ("a:\n  true: b\n  ~: c\n  2.5: d\n", [f":{line}: keys must be strings" for line in (2, 3, 4)]),
        ("? [a]\n: b\n", [":1: keys must be strings"]),
        ("? {a: 1}\n: b\n", [":1: keys must be strings"]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", [":3: merge keys (<<) are not allowed"]),
        ("a: !!python/object:os.system x\n", [":1: a has a tag, and tags are not allowed"]),
        ("a: 1\nb: !secret x\n", [":2: b has a tag, and tags are not allowed"]),
        ("a: !!set {x}\n", [":1: a has a tag, and tags are not allowed"]),
        ("a: !!binary aGk=\n", [":1: a has a tag, and tags are not allowed"]),
        ("a: !!int x\n", [":1: a cannot be read"]),
        ("a: 1\nb: " + "1" * 5_000, [":2: b cannot be read"]),
        ('a: 1\nb: "\\ud800"\n', [":2: b is not Unicode text"]),
        ("a: &x [*x]\n", [": nested too deeply, or an alias within itself"]),
        ("a: " + "[" * 500, [": nested too deeply, or an alias within itself"]),
        (
            "a: 1\na: 2\n3: 4\nb:\n  c: 1\n  c: 2\nd: !x 5\n",
            [
                ":2: duplicate key a",
                ":3: keys must be strings",
                ":6: duplicate key b.c",
                ":7: d has a tag, and tags are not allowed",
            ],
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(path: Path, raw: str | bytes, told: list[str]) -> None:
    assert said(path, raw) == told


@pytest.mark.parametrize("value", ['"open', "[1, 2", "{b: 1"])
def test_what_is_left_open_is_told_with_the_line_where_it_was_opened(path: Path, value: str) -> None:
    path.write_text(f"a: 1\nb: {value}\nc: 2\n", encoding="utf-8")
    with pytest.raises(DocumentError, match="begins in line 2"):
        read_document(path)


def test_aliases_of_aliases_do_not_fill_the_memory(path: Path) -> None:
    laughs = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert said(path, f"a0: &a0 ha\n{laughs}")[0].endswith("more than 100000 values")


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        read_document(tmp_path / name)


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbfa: 1\nb: 2\n", b"a: 1\r\nb: 2\r\n", b"---\na: 1\nb: 2"])
def test_byte_order_mark_and_line_ends_do_not_matter(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    assert read_document(path).value == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "text", ["[1,", '"x', "a: b: c", "*x", "!x 1", "{a: 1, a: 2}", "{1: 2}", "!!int x", "%"]
)
def test_a_broken_value_on_the_command_line_is_an_error_of_ours(text: str) -> None:
    with pytest.raises(DocumentError):
        parse_scalar(text)


letters = st.text(alphabet="abz AZ09_-é山屿.:#'\"\\", min_size=1, max_size=8)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | letters
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(letters, inner, max_size=4),
    max_leaves=15,
)
documents = st.dictionaries(letters, values, min_size=1, max_size=5)


class Writer:
    """Writes nested values as block YAML and notes the line that each of them begins on."""

    def __init__(self, gaps: st.DataObject) -> None:
        self.lines: list[str] = []
        self.places: dict[KeyPath, int] = {}
        self.gaps = gaps

    def write(self, value: Any, path: KeyPath = (), indent: str = "") -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            self.lines += self.gaps.draw(st.sampled_from([[], [], [""], ["", f"{indent}# a: 1"]]))
            head = "-" if isinstance(key, int) else f"{json.dumps(key, ensure_ascii=False)}:"
            here = (*path, key)
            if isinstance(inner, dict | list) and inner:
                self.lines.append(indent + head)
                first = len(self.lines)
                self.write(inner, here, indent + "  ")
                self.places[here] = self.places[here, "first"] if isinstance(key, int) else first
            else:
                self.lines.append(f"{indent}{head} {json.dumps(inner, ensure_ascii=False)}")
                self.places[here] = first = len(self.lines)
            self.places.setdefault((path, "first"), self.places[here] if isinstance(key, int) else first)
            if isinstance(key, int):  # a list begins at its first dash, not at what stands behind it
                self.places[path, "first"] = min(self.places[path, "first"], first)


@property_test
@given(documents, st.data())
def test_every_key_has_its_line(tmp_path: Path, value: dict[str, Any], data: st.DataObject) -> None:
    writer = Writer(data)
    writer.write(value)
    path = tmp_path / "nested.yaml"
    path.write_text("\n".join(writer.lines) + "\n", encoding="utf-8")
    document = read_document(path)
    assert document.value == value
    expected: dict[KeyPath, int] = {
        key: line for key, line in writer.places.items() if "first" not in key[1:2]
    }
    expected[()] = writer.places[(), "first"]
    assert document.places == {key: f"{shown(path)}:{line}" for key, line in expected.items()}


class Inner(Frozen):
    rank: int = Field(gt=0)
    ratio: float = 1.0


class Outer(Frozen):
    number: int = Field(alias="nr")
    inner: Inner
    names: list[str] = []
    limits: dict[str, Inner] = {}
    either: int | list[str] = 1


def test_unknown_missing_and_ill_typed_keys_are_told_at_once(path: Path) -> None:
    path.write_text(
        "nr: x\ninner:\n  rnak: 3\n  ratio: .inf\nnames: [a, 5]\n"
        "limits:\n  a: {rank: 1, rato: 2}\neither: {}\nnumber: 1\n",
        encoding="utf-8",
    )
    document = read_document(path)
    with pytest.raises(RecipeError) as caught:
        validated(Outer, document.value, document.places)
    file = shown(path)
    assert {(str(p.where).removeprefix(file), p.what, p.allowed) for p in caught.value.problems} == {
        (":1", "nr is not allowed", "Input should be a valid integer"),
        (":2", "missing key inner.rank", None),
        (":3", "unknown key inner.rnak", 'did you mean "rank"?'),
        (":4", "inner.ratio is not allowed", "Input should be a finite number"),
        (":5", "names[1] is not allowed", "Input should be a valid string"),
        (":7", "unknown key limits.a.rato", 'did you mean "ratio"?'),
        (":8", "either is not allowed", "Input should be a valid integer, or Input should be a valid list"),
        (":9", "unknown key number", "one of either, inner, limits, names, nr"),
    }


def test_a_huge_value_is_told_in_one_line() -> None:
    with pytest.raises(RecipeError) as caught:
        validated(Outer, {"nr": "x" * 10_000, "inner": {"rank": 1}}, {})
    assert len(str(caught.value)) < 300


def test_an_alias_is_read_as_what_it_stands_for(path: Path) -> None:
    path.write_text("a: &x {b: 1}\nc: *x\n", encoding="utf-8")
    document = read_document(path)
    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.places["c",] == f"{shown(path)}:2"


def test_places_fall_back_to_the_key_above() -> None:
    places = {(): "f:1", ("a",): "f:2"}
    assert place_of(("a", "b", 3), places) == "f:2"
    assert place_of(("z",), places) == "f:1"
    assert place_of(("z",), {}) is None
    assert dotted(("a", 0, "b", "c")) == "a[0].b.c"
