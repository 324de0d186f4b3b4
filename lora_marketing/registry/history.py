"""Moves of aliases, what the gate said of them, and the way back. `registry/moves.py` records them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lora_marketing.common import strict_json
from lora_marketing.common.documents import Frozen
from lora_marketing.registry.files import read_small

MAX_HISTORY = 50_000_000

ROLLBACK = "rollback"
"""The reason that marks a move back; `previous_target` must tell it from a promotion."""


class GatedCheck(Frozen):
    """One check of the gate: what was asked, what was found."""

    name: str
    passed: bool
    value: str
    limit: str


class GateRecord(Frozen):
    """What the gate of an alias said before a move.

    `evaluation_sha256` is the hash of the evaluation's JSON, None if the gate was not asked; `against`
    the digest that the alias named then; `forced` says that the move was made all the same.
    """

    passed: bool
    forced: bool
    against: str | None
    evaluation_sha256: str | None
    checks: list[GatedCheck]


@dataclass(frozen=True)
class Move:
    """At `time`, `alias` stopped meaning digest `source` and began to mean `target`.

    `gate` is None of aliases that have no gate, and of moves back.
    """

    time: str
    alias: str
    source: str | None
    target: str
    reason: str | None
    gate: GateRecord | None = None


def value_of(move: Move) -> dict[str, Any]:
    """A move as JSON keeps it."""
    value: dict[str, Any] = {
        "time": move.time,
        "alias": move.alias,
        "from": move.source,
        "to": move.target,
        "reason": move.reason,
    }
    if move.gate is not None:
        value["gate"] = move.gate.model_dump()
    return value


def read_old_moves(path: Path) -> tuple[Move, ...]:
    """The moves in a history.jsonl, oldest first. Torn lines are left out.

    Raises:
        AdapterRefused: not a regular file of at most 50 MB.
    """
    if not os.path.lexists(path):
        return ()
    moves = [_line(line) for line in read_small(path, MAX_HISTORY).split(b"\n")]
    return tuple(move for move in moves if move is not None)


def previous_target(moves: Iterable[Move], alias: str, current: str) -> str | None:
    """The digest that `alias` meant before `current`; None if there was none.

    Going back twice goes back two promotions: a move back undoes a promotion and does not add one.
    """
    trail: list[str] = []
    for move in moves:
        if move.alias != alias:
            continue
        if move.source is not None and trail[-1:] != [move.source]:
            trail.append(move.source)  # the line of the move to it was lost in a crash
        if move.reason == ROLLBACK and move.target in trail:
            _cut_after(trail, move.target)
        else:
            trail.append(move.target)
    if current in trail:
        # also when its own line was lost: never forward to what had been taken back
        _cut_after(trail, current)
        trail.pop()
    return trail[-1] if trail else None


def _cut_after(trail: list[str], digest: str) -> None:
    while trail[-1] != digest:
        trail.pop()


def move_of(value: object) -> Move | None:
    """What `value_of` made of a move; None of anything else."""
    if not isinstance(value, dict) or value.keys() - {"gate"} != {"time", "alias", "from", "to", "reason"}:
        return None
    optional = (value["from"], value["reason"])
    required = (value["time"], value["alias"], value["to"])
    if not all(isinstance(item, str) for item in required):
        return None
    if not all(item is None or isinstance(item, str) for item in optional):
        return None
    return Move(
        value["time"], value["alias"], value["from"], value["to"], value["reason"], _gate(value.get("gate"))
    )


def _line(line: bytes) -> Move | None:
    try:
        return move_of(strict_json.loads(line))
    except strict_json.NotStrictJson:
        return None


def _gate(value: object) -> GateRecord | None:
    """A record that cannot be read hides no move: rolling back needs them all."""
    try:
        return None if value is None else GateRecord.model_validate(value)
    except ValidationError:
        return None
