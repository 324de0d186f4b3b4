from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.registry.history import (
    ROLLBACK,
    GatedCheck,
    GateRecord,
    Move,
    previous_target,
    read_old_moves,
    value_of,
)
from tests.registry.making import property_test


def move(source: str | None, target: str, reason: str | None = None, alias: str = "prod") -> Move:
    return Move("2026-11-23T12:00:00+00:00", alias, source, target, reason)


def append_move(path: Path, move: Move) -> None:
    """As the kit did before it made a folder of each move."""
    torn = path.exists() and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * torn + json.dumps(value_of(move), ensure_ascii=False) + "\n")


def test_lines_are_added_and_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    moves = (move(None, "a"), move("a", "b", "更好"), move(None, "a", alias="candidate"))
    assert read_old_moves(path) == ()
    for one in moves:
        append_move(path, one)
    assert read_old_moves(path) == moves
    assert path.read_text(encoding="utf-8").count("\n") == 3


@pytest.mark.parametrize("torn", ['{"time": "2026', "\0\0\0", '{"time": 1}', '"text"', "[]"])
def test_a_torn_line_hides_no_other(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "history.jsonl"
    append_move(path, move(None, "a"))
    with path.open("a", encoding="utf-8") as file:
        file.write(torn)
    append_move(path, move("a", "b"))
    assert read_old_moves(path) == (move(None, "a"), move("a", "b"))


@property_test
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12))
def test_going_back_undoes_promotions_one_by_one(targets: list[str]) -> None:
    trail = [target for index, target in enumerate(targets) if index == 0 or target != targets[index - 1]]
    moves = [move(source, target) for source, target in zip([None, *trail], trail, strict=False)]
    current = trail[-1]
    for expected in reversed(trail[:-1]):
        found = previous_target(moves, "prod", current)
        assert found == expected
        moves.append(move(current, found, ROLLBACK))
        current = found
    assert previous_target(moves, "prod", current) is None


def test_other_aliases_do_not_count() -> None:
    assert previous_target([move(None, "a", alias="candidate"), move(None, "b")], "prod", "b") is None


def test_a_lost_line_of_a_promotion() -> None:
    assert previous_target([move(None, "a")], "prod", "b") == "a"
    assert previous_target([move(None, "a"), move("b", "c")], "prod", "c") == "b"


def test_a_lost_line_of_a_move_back_never_leads_forward() -> None:
    moves = [move(None, "a"), move("a", "b"), move("b", "c")]
    assert previous_target(moves, "prod", "b") == "a"


def test_what_the_gate_said_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    check = GatedCheck(name="texts that leak", passed=False, value="2.0%", limit="at most 0.0%")
    gate = GateRecord(passed=False, forced=True, against="a", evaluation_sha256="e" * 64, checks=[check])
    append_move(path, move(None, "a"))
    append_move(path, replace(move("a", "b", "der Kunde will es"), gate=gate))
    assert read_old_moves(path) == (move(None, "a"), replace(move("a", "b", "der Kunde will es"), gate=gate))
    assert "gate" not in path.read_text(encoding="utf-8").splitlines()[0], "older kits read such lines"


def test_a_record_of_the_gate_that_cannot_be_read_hides_no_move(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append_move(path, move("a", "b"))
    line = path.read_text(encoding="utf-8").replace('"alias"', '"gate":{"newer":1},"alias"')
    path.write_text(line, encoding="utf-8")
    assert read_old_moves(path) == (move("a", "b"),)
