from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lora_marketing.common.errors import DataError
from lora_marketing.copy.mending import Mending
from lora_marketing.copy.record import prompt_sha256, read_copies, share_stopped, write_copies
from lora_marketing.guards import Finding
from lora_marketing.registry.names import SLUG
from tests.making import property_test
from tests.review.making import copy

texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x1c\x1d\x1e\x85\u2028\u2029"))


@property_test
@given(st.lists(st.tuples(texts, st.none() | st.from_regex(SLUG, fullmatch=True)), min_size=1, max_size=4))
def test_what_is_written_is_read_back(tmp_path: Path, words: list[tuple[str, str | None]]) -> None:
    copies = [copy(text=text, adapter=adapter) for text, adapter in words]
    write_copies(tmp_path / "copies.jsonl", copies)
    assert read_copies(tmp_path / "copies.jsonl") == copies


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85"])
def test_line_separators_within_a_text(tmp_path: Path, letter: str) -> None:
    write_copies(tmp_path / "copies.jsonl", [copy(text=f"a{letter}b")])
    assert read_copies(tmp_path / "copies.jsonl") == [copy(text=f"a{letter}b")]


def test_every_broken_line_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "copies.jsonl"
    good = json.loads(copy().model_dump_json())
    lines = [good, {**good, "seed": "13"}, "{", {**good, "more": 1}, {"text": "a"}]
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    with pytest.raises(DataError) as caught:
        read_copies(path)
    assert [str(problem.where)[-2:] for problem in caught.value.problems] == [":2", ":3", ":4", ":5"]


@pytest.mark.parametrize(
    ("raw", "told"), [(None, "cannot be read"), (b"", "no copies"), (b"\xff", "cannot be read")]
)
def test_a_file_without_copies(tmp_path: Path, raw: bytes | None, told: str) -> None:
    path = tmp_path / "copies.jsonl"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(DataError, match=told):
        read_copies(path)


def test_a_copy_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        copy().text = "else"  # type: ignore[misc]


def test_what_guards_and_mending_said_is_read_back(tmp_path: Path) -> None:
    found = Finding(rule="length.long", severity="fix", message="too long", span=(0, 3))
    mended = Mending(rule="spacing", span=(2, 4), before="  ", after=" ")
    copies = [copy(findings=[found], mended=[mended], verdict="fix", round=2)]
    write_copies(tmp_path / "copies.jsonl", copies)
    assert read_copies(tmp_path / "copies.jsonl") == copies


def test_an_id_is_that_of_text_and_provenance(tmp_path: Path) -> None:
    one = copy()
    others = [copy(text="x"), copy(seed=14), copy(digest="d"), copy(prompt_sha256="b" * 64)]
    assert len({one.id, *(other.id for other in others)}) == 5
    assert copy(verdict="pass").id == one.id == one.changed(verdict="fix").id != one.changed(text="x").id
    path = tmp_path / "copies.jsonl"
    path.write_text(one.model_dump_json().replace("It floats.", "It sinks."))
    with pytest.raises(DataError, match="not a copy"):
        read_copies(path)


def test_copies_of_before_there_were_ids_are_read(tmp_path: Path) -> None:
    old = json.loads(copy().model_dump_json())
    for name in ("id", "round", "rewritten", "mended", "findings", "verdict"):
        del old[name]
    path = tmp_path / "copies.jsonl"
    path.write_text(json.dumps(old))
    assert read_copies(path) == [copy()]


def test_what_was_said_about_a_text_is_no_part_of_its_id() -> None:
    found = Finding(rule="length.long", severity="fix", message="too long")
    mended = Mending(rule="spacing", span=(2, 4), before="  ", after=" ")
    assert copy(findings=[found]).id == copy(mended=[mended]).id == copy(verdict="fix").id == copy().id
    assert len({copy().id, copy(seed=14).id, copy(round=2).id, copy(text="It sinks.").id}) == 4
    assert copy().round == 1


def test_a_prompt_is_known_by_the_hash_of_its_tokens() -> None:
    """As published copies have it."""
    assert prompt_sha256((1, 23)) == prompt_sha256([1, 23]) == sha256(b"[1, 23]").hexdigest()


def test_how_many_texts_ended_by_themselves() -> None:
    assert share_stopped([copy(), copy(stopped=False), copy(), copy()]) == 0.75
    assert share_stopped([]) is None
