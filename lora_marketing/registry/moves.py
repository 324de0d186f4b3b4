"""Moves of aliases, each claimed by a rename: of two that begin at one moment, one has to look again.

    brand/line/moves/00000012/move.json     the twelfth move, and what every alias means after it

The folder is renamed whole to a number that nobody has; a rename onto a folder with something in it
fails on every file system. So a move is there with its history, or it is not there at all, and the
newest one is the truth; `aliases/` shows it to people and to older versions of the kit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_marketing.common import strict_json
from lora_marketing.common.errors import Problem, RegistryError
from lora_marketing.common.files import claim_new, flush_folder
from lora_marketing.registry.files import read_small, subfolders, write_durable
from lora_marketing.registry.history import Move, move_of, read_old_moves, value_of

MOVES = "moves"
RECORD = "move.json"
DIGEST = re.compile(r"[0-9a-f]{64}")

_MAX_RECORD = 1_000_000
_NUMBER = re.compile(r"[0-9]{8,12}")


@dataclass(frozen=True)
class LineState:
    """What the aliases of a line mean after its newest move that can be read.

    `number` is that of the newest move, 0 before the first; `problems` tell of a newest move that cannot
    be read: what the aliases mean now is then not known from here.
    """

    number: int
    aliases: Mapping[str, str]
    problems: Sequence[Problem] = ()


def latest_state(line: Path) -> LineState:
    """The state of the line in folder `line`."""
    numbers = _numbers(line)
    problems: list[Problem] = []
    for number in reversed(numbers):
        try:
            _, aliases = _read(line, number)
        except RegistryError as error:
            problems += error.problems
            continue
        return LineState(numbers[-1], aliases, problems[:1])
    return LineState(numbers[-1] if numbers else 0, {}, problems[:1])


def read_moves(line: Path) -> tuple[Move, ...]:
    """All moves of a line, oldest first: those of its history.jsonl, which older versions of the kit wrote,
    then the others. What cannot be read is left out."""
    moves = list(read_old_moves(line / "history.jsonl"))
    for number in _numbers(line):
        try:
            moves.append(_read(line, number)[0])
        except RegistryError:
            continue
    return tuple(moves)


def claim_move(line: Path, staging: Path, state: LineState, move: Move, aliases: Mapping[str, str]) -> bool:
    """Make `move` the one that follows `state`. False if another move was faster, and nothing has changed.

    Args:
        line: the folder of the line.
        staging: an empty folder on the same file system; it becomes the move.
        state: what the move was decided by.
        move: its time, reason and ends.
        aliases: what every alias means after it.
    """
    record = {**value_of(move), "aliases": dict(aliases)}
    write_durable(staging / RECORD, strict_json.dumps(record).encode())
    flush_folder(staging)
    return claim_new(staging, line / MOVES / f"{state.number + 1:08}")


def _numbers(line: Path) -> list[int]:
    return sorted(int(name) for name in subfolders(line / MOVES) if _NUMBER.fullmatch(name))


def _read(line: Path, number: int) -> tuple[Move, dict[str, str]]:
    path = line / MOVES / f"{number:08}" / RECORD
    raw = read_small(path, _MAX_RECORD)
    try:
        value = strict_json.loads(raw)
    except strict_json.NotStrictJson:
        value = None
    aliases = value.pop("aliases", None) if isinstance(value, dict) else None
    move = move_of(value)
    if move is None or not isinstance(aliases, dict) or not all(map(_is_digest, aliases.values())):
        fix = "restore the file, or promote a version to each alias of this adapter"
        raise RegistryError(Problem("is not a move of an alias", str(path), fix=fix))
    return move, aliases


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and DIGEST.fullmatch(value) is not None
