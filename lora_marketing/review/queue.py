"""The queue itself: one SQLite file on a local disk, for several people at once.

What is decided is appended to the log, and the table of items is what the log yields; both change in
one transaction. What is told of a text is read from the log: the table only finds it, and a row that is
not as the log says is refused. Triggers refuse to change or delete an entry; whoever takes them away
leaves a chain of hashes that no longer fits, which `verify` tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pydantic import ValidationError

from lora_marketing.brands.brand import AS_KEPT
from lora_marketing.common.documents import ModelT, shown
from lora_marketing.common.errors import LogBroken, NotApproved, Problem, ReviewError
from lora_marketing.common.printable import unprintable
from lora_marketing.copy.record import Copy
from lora_marketing.guards import Finding, verdict
from lora_marketing.review.database import QueueDatabase
from lora_marketing.review.log import (
    START,
    Item,
    Line,
    LogEntry,
    ReviewState,
    after,
    broken_links,
    canonical,
    changed_since,
    item_id,
    line_of,
    replayed,
)

COLUMNS = "id, brand, line, state, entry, item"
StoredRow = tuple[str, str, str, str, int, str]
"""A row of the table of items, by its `COLUMNS`."""


@dataclass(frozen=True)
class Decision:
    """What somebody decides about a text.

    Args:
        state: approved and rejected are about the text as it was put up; edited about another one.
        by: who decides.
        why: needed to reject.
        text: the edited text. `findings` is what the guards have against it.
        override: why a text is approved that a guard blocks.
    """

    state: Literal["approved", "edited", "rejected"]
    by: str
    why: str = ""
    text: str | None = None
    findings: tuple[Finding, ...] | None = None
    override: str | None = None


class Queue:
    """A review queue. Use it in a `with` block.

    Raises:
        ReviewError: the file is missing (unless `create`), is no queue or one of a newer version.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if not create and not path.is_file():
            fix = f"lora-marketing review add COPIES --queue {shown(path)}"
            raise ReviewError(Problem("there is no review queue", shown(path), fix=fix))
        self._base = QueueDatabase(path, create)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    def add(self, copies: Iterable[tuple[Copy, Sequence[Finding]]], by: str) -> list[Item]:
        """Put texts up with what the guards have against them. Those that are known already stay as they are.

        Returns:
            The texts that were not there before.
        """
        new: list[Item] = []
        with self._base.changing():
            for copy, found in copies:
                item = item_id(copy)
                if self._get(item) is None:
                    entry = self._next(item, "pending", _named(by))
                    entry = entry.model_copy(update={"written": copy, "findings": tuple(found)})
                    new.append(self._append(entry, None))
        return new

    def decide(self, item: Item, decision: Decision, *, again: bool = False) -> Item:
        """Decide about a text, as somebody who saw it as `item`.

        Args:
            item: the text as it was seen.
            decision: what is decided.
            again: whether a decision may be reversed. The earlier one stays in the log.

        Raises:
            ReviewError: somebody decided before, or since the text was seen; a name, reason or text is
                missing. NotApproved: a guard blocks the text, and there is no override.
        """
        _check(item, decision)
        with self._base.changing():
            present = self._get(item.id)
            if present is None:
                raise ReviewError(Problem("no such text", shown(self.path), got=item.id))
            if present.entry != item.entry or (present.state != "pending" and not again):
                raise ReviewError(decided(present))
            entry = self._next(item.id, decision.state, _named(decision.by)).model_copy(
                update={
                    "why": decision.why,
                    "override": decision.override,
                    "text": decision.text,
                    "findings": decision.findings,
                }
            )
            return self._append(entry, present)

    def find(self, prefix: str) -> Item:
        """The one text whose id begins with `prefix`.

        Raises:
            ReviewError: there is none, or more than one.
        """
        query = "SELECT id FROM items WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT 9"
        matching = [str(row[0]) for row in self._base.read(query, len(prefix), prefix)]
        if not matching or not prefix:
            fix = f"lora-marketing review list --queue {shown(self.path)}"
            raise ReviewError(Problem("no text has this id", shown(self.path), got=prefix, fix=fix))
        if len(matching) > 1:
            listed = ", ".join(item[:16] for item in matching)
            raise ReviewError(Problem("more than one text has this id", got=listed, fix="write more digits"))
        found = self._get(matching[0])
        if found is None:
            raise LogBroken(self._differs(matching[0]))
        return found

    def items(
        self,
        states: Sequence[ReviewState] = (),
        brand: str | None = None,
        line: str | None = None,
        ids: Collection[str] = (),
    ) -> list[Item]:
        """Texts in the order in which they were put up; all states and ids if none is named.

        Raises:
            LogBroken: the log's chain is broken, or a row that is asked for is not as the log says.
        """
        with self._base.as_one():
            lines, stored = self._lines(), self._stored()
        problems = [*broken_links(lines)]
        if problems:
            raise LogBroken(problems)
        yielded = self._yielded([_read_back(LogEntry, line.text) for line in lines])
        asked = [
            key
            for key in dict.fromkeys([*yielded, *stored])
            if (not ids or key in ids)
            and any(brand in (None, row[1]) and line in (None, row[2]) for row in _rows(key, yielded, stored))
        ]
        if differing := [self._differs(key) for key in asked if not _agree(key, yielded, stored)]:
            raise LogBroken(differing)
        return [yielded[key] for key in asked if not states or yielded[key].state in states]

    def log(self) -> list[LogEntry]:
        """Everything that happened, oldest first."""
        return [_read_back(LogEntry, line.text) for line in self._lines()]

    def head(self) -> str:
        """sha256 of the last entry. Kept elsewhere, it shows later whether the end was cut off."""
        lines = self._lines()
        return lines[-1].sha256 if lines else START

    def verify(self, head: str | None = None) -> list[Problem]:
        """Compute the chain again, and compare the texts with what the log yields.

        Args:
            head: what `head` said some time ago; the chain must still go through it.
        """
        where = shown(self.path)
        with self._base.as_one():
            lines, stored = self._lines(), self._stored()
        problems = [*broken_links(lines)]
        if head is not None and head not in {START, *(line.sha256 for line in lines)}:
            problems.append(
                Problem("the log was cut off or written anew: the kept hash is gone", where, head)
            )
        if problems:
            return problems
        try:
            yielded = self._yielded([_read_back(LogEntry, line.text) for line in lines])
        except LogBroken as error:
            return list(error.problems)
        differing = sorted(key for key in {*yielded, *stored} if not _agree(key, yielded, stored))
        return [self._differs(key) for key in differing]

    def _lines(self) -> list[Line]:
        return [
            Line(*row) for row in self._base.read("SELECT number, entry, sha256 FROM log ORDER BY number")
        ]

    def _stored(self) -> dict[str, StoredRow]:
        return {row[0]: row for row in self._base.read(f"SELECT {COLUMNS} FROM items")}

    def _get(self, item: str) -> Item | None:
        """One text as its own entries say, if the table says the same. The chain as a whole is not computed.

        Raises:
            LogBroken: they differ, or an entry has not the hash that was kept.
        """
        with self._base.as_one():
            named = "CASE WHEN json_valid(entry) THEN entry ->> '$.item' END"
            query = f"SELECT number, entry, sha256 FROM log WHERE {named} = ? ORDER BY number"
            lines = [Line(*row) for row in self._base.read(query, item)]
            rows = self._base.read(f"SELECT {COLUMNS} FROM items WHERE id = ?", item)
        if problems := [problem for line in lines for problem in changed_since(line)]:
            raise LogBroken(problems)
        stored = {item: rows[0]} if rows else {}
        yielded = self._yielded([_read_back(LogEntry, line.text) for line in lines])
        if not _agree(item, yielded, stored):
            raise LogBroken(self._differs(item))
        return yielded.get(item)

    def _yielded(self, entries: Iterable[LogEntry]) -> dict[str, Item]:
        try:
            return replayed(entries)
        except ValueError as error:
            raise LogBroken(Problem("the log does not make sense", shown(self.path), str(error))) from error

    def _differs(self, item: str) -> Problem:
        where, fix = f"{shown(self.path)} {item[:16]}", "trust the log: review log"
        return Problem("the text is not as the log says", where, fix=fix)

    def _next(self, item: str, state: ReviewState, by: str) -> LogEntry:
        rows = self._base.read("SELECT number, sha256 FROM log ORDER BY number DESC LIMIT 1")
        number, previous = rows[0] if rows else (0, START)
        time = datetime.now(UTC).isoformat(timespec="seconds")
        return LogEntry(number=number + 1, previous=previous, time=time, by=by, item=item, state=state)

    def _append(self, entry: LogEntry, before: Item | None) -> Item:
        line, item = line_of(entry), after(entry, before)
        self._base.execute("INSERT INTO log VALUES (?, ?, ?)", (line.number, line.text, line.sha256))
        self._base.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET state = excluded.state, entry = excluded.entry, item = excluded.item",
            _row(item),
        )
        return item


def decided(item: Item) -> Problem:
    """Who decided what about a text."""
    got = f"{item.state} by {item.by} at {item.time}" + (f": {item.why}" if item.why else "")
    fix = f"lora-marketing review show {item.id[:16]}; --again reverses a decision"
    return Problem(f"somebody decided about {item.id[:16]} before", got=got, fix=fix)


def _rows(key: str, yielded: Mapping[str, Item], stored: Mapping[str, StoredRow]) -> Iterator[StoredRow]:
    """How a text stands in the log and in the table, where it stands there."""
    if key in yielded:
        yield _row(yielded[key])
    if key in stored:
        yield stored[key]


def _agree(key: str, yielded: Mapping[str, Item], stored: Mapping[str, StoredRow]) -> bool:
    found = list(_rows(key, yielded, stored))
    return found[:1] * 2 == found


def _read_back(model: type[ModelT], text: str) -> ModelT:
    try:
        return model.model_validate_json(text, context=AS_KEPT)
    except ValidationError as error:
        got, fix = str(error).splitlines()[0], "lora-marketing review verify"
        raise LogBroken(Problem("the queue is damaged", got=got, fix=fix)) from None


def _check(item: Item, decision: Decision) -> None:
    short = item.id[:16]
    for what, words in (("reason", decision.why), ("override", decision.override or "")):
        if letter := unprintable(words):
            fix = f"take out {letter}"
            raise ReviewError(Problem(f"the {what} has control characters", got=words, fix=fix))
    if decision.state == "rejected":
        if not decision.why.strip():
            raise ReviewError(Problem(f"no reason to reject {short}", fix='--why "..."'))
        return
    findings = item.original
    if decision.state == "edited":
        if decision.text is None or not decision.text.strip() or decision.findings is None:
            raise ReviewError(Problem(f"no text for {short}", fix='--text "..."'))
        if decision.text == item.written.text:
            raise ReviewError(Problem(f"the text of {short} is the same", fix=f"review approve {short}"))
        findings = decision.findings
    if verdict(findings) == "block" and not (decision.override or "").strip():
        got = "; ".join(finding.message for finding in findings if finding.severity == "block")
        fix = 'edit the text, or say why it may be published: --override "..."'
        raise NotApproved(Problem(f"guards block {short}", got=got, fix=fix))


def _named(by: str) -> str:
    if not by.strip():
        raise ReviewError(Problem("nobody decides", fix="--by NAME"))
    if letter := unprintable(by.strip(), one_line=True):
        raise ReviewError(Problem("not a name in one line", got=by, fix=f"take out {letter}"))
    return by.strip()


def _row(item: Item) -> StoredRow:
    written = item.written
    return item.id, written.brand, written.line, item.state, item.entry, canonical(item)
