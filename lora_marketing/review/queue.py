"""The queue itself: one SQLite file on a local disk, for several people at once.

What is decided is appended to the log, and the table of items is what the log yields; both change in
one transaction. Triggers refuse to change or delete an entry; whoever takes the triggers away leaves
a chain of hashes that no longer fits, which `verify` tells.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import ValidationError

from lora_marketing.common.documents import ModelT, shown
from lora_marketing.common.errors import LogBroken, NotApproved, Problem, ReviewError
from lora_marketing.common.files import private_mode
from lora_marketing.copy.record import Copy
from lora_marketing.guards import Finding, verdict
from lora_marketing.review.log import (
    START,
    Item,
    Line,
    LogEntry,
    ReviewState,
    after,
    broken_links,
    canonical,
    item_id,
    line_of,
    replayed,
)

APPLICATION = 0x4C4D5251
"""Stands in the file's header, so that no other SQLite file is taken for a queue."""
WAIT = 10.0
"""Seconds to wait for somebody else's transaction."""
MIGRATIONS = (
    (
        "CREATE TABLE log (number INTEGER PRIMARY KEY, entry TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT",
        "CREATE TABLE items (id TEXT PRIMARY KEY, brand TEXT NOT NULL, line TEXT NOT NULL,"
        " state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'edited', 'rejected')),"
        " entry INTEGER NOT NULL UNIQUE REFERENCES log (number), item TEXT NOT NULL) STRICT",
        "CREATE INDEX items_by_state ON items (state, brand, line)",
        "CREATE TRIGGER log_is_not_changed BEFORE UPDATE ON log"
        " BEGIN SELECT RAISE (ABORT, 'the log is only added to'); END",
        "CREATE TRIGGER log_is_not_deleted BEFORE DELETE ON log"
        " BEGIN SELECT RAISE (ABORT, 'the log is only added to'); END",
        "CREATE TRIGGER log_is_not_replaced BEFORE INSERT ON log"  # REPLACE fires no trigger of DELETE
        " WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM log)"
        " BEGIN SELECT RAISE (ABORT, 'the log is only added to'); END",
        "CREATE TRIGGER items_stay BEFORE DELETE ON items"
        " BEGIN SELECT RAISE (ABORT, 'texts stay in the queue'); END",
    ),
)
"""What makes version 1 of the file, what makes 2 of 1, and so on; PRAGMA user_version counts."""


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
        mode = "rwc" if create else "rw"
        with self._errors_told():
            if create and not path.exists():
                _make_file(path)
            uri = f"{path.absolute().as_uri()}?mode={mode}"
            self._base = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=WAIT)
        try:
            self._prepare(create)
        except ReviewError:
            self._base.close()
            raise

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
        with self._changing():
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
        with self._changing():
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
        query = "SELECT item FROM items WHERE substr(id, 1, ?) = ? ORDER BY id LIMIT 9"
        matching = [_read_back(Item, row[0]) for row in self._read(query, len(prefix), prefix)]
        if not matching or not prefix:
            fix = f"lora-marketing review list --queue {shown(self.path)}"
            raise ReviewError(Problem("no text has this id", shown(self.path), got=prefix, fix=fix))
        if len(matching) > 1:
            listed = ", ".join(item.id[:16] for item in matching)
            raise ReviewError(Problem("more than one text has this id", got=listed, fix="write more digits"))
        return matching[0]

    def items(
        self, states: Sequence[ReviewState] = (), brand: str | None = None, line: str | None = None
    ) -> list[Item]:
        """Texts in the order in which they were put up; all states if none is named."""
        query = "SELECT item FROM items WHERE coalesce(?1, brand) = brand AND coalesce(?2, line) = line"
        found = [_read_back(Item, row[0]) for row in self._read(query + " ORDER BY rowid", brand, line)]
        return [item for item in found if not states or item.state in states]

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
        where, lines = shown(self.path), self._lines()
        problems = [*broken_links(lines)]
        if head is not None and head not in {START, *(line.sha256 for line in lines)}:
            problems.append(
                Problem("the log was cut off or written anew: the kept hash is gone", where, head)
            )
        if problems:
            return problems
        try:
            yielded = replayed(self.log())
        except ValueError as error:
            return [Problem("the log does not make sense", where, got=str(error))]
        expected = {item.id: _row(item) for item in yielded.values()}
        stored = {row[0]: row for row in self._read("SELECT id, brand, line, state, entry, item FROM items")}
        return [
            Problem("the text is not as the log says", f"{where} {key[:16]}", fix="trust the log: review log")
            for key in sorted(expected.keys() | stored.keys())
            if expected.get(key) != stored.get(key)
        ]

    def _lines(self) -> list[Line]:
        return [Line(*row) for row in self._read("SELECT number, entry, sha256 FROM log ORDER BY number")]

    def _get(self, item: str) -> Item | None:
        rows = self._read("SELECT item FROM items WHERE id = ?", item)
        return _read_back(Item, rows[0][0]) if rows else None

    def _next(self, item: str, state: ReviewState, by: str) -> LogEntry:
        rows = self._read("SELECT number, sha256 FROM log ORDER BY number DESC LIMIT 1")
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

    def _read(self, query: str, *values: str | int | None) -> list[tuple[Any, ...]]:
        with self._errors_told():
            return self._base.execute(query, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One transaction that nobody else's can come between."""
        with self._errors_told():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._base.execute("COMMIT")
            finally:
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            what = "the review queue cannot be used"
            raise ReviewError(Problem(what, shown(self.path), got=str(error))) from error

    def _prepare(self, create: bool) -> None:
        with self._errors_told():
            if (
                create
                and not self._pragma("application_id")
                and not self._read("SELECT 1 FROM sqlite_schema")
            ):
                self._write_ahead()
                with self._changing():
                    self._base.execute(f"PRAGMA application_id = {APPLICATION}")
            self._base.execute("PRAGMA foreign_keys = ON")
            self._base.execute("PRAGMA synchronous = FULL")
        version, where = self._pragma("user_version"), shown(self.path)
        if self._pragma("application_id") != APPLICATION:
            raise ReviewError(Problem("not a review queue", where, got="another SQLite file"))
        if version > len(MIGRATIONS):
            allowed = f"version {len(MIGRATIONS)} or older"
            raise ReviewError(
                Problem("the queue is of a newer lora-marketing", where, f"version {version}", allowed)
            )
        if version < len(MIGRATIONS):
            self._migrate()

    def _write_ahead(self) -> None:
        """Change the journal; where others do so at the same moment, SQLite says busy and does not wait."""
        end = time.monotonic() + WAIT
        while True:
            try:
                self._base.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.02)
            else:
                return

    def _migrate(self) -> None:
        with self._changing():
            for version in range(self._pragma("user_version"), len(MIGRATIONS)):
                for statement in MIGRATIONS[version]:
                    self._base.execute(statement)
                self._base.execute(f"PRAGMA user_version = {version + 1}")

    def _pragma(self, name: str) -> int:
        return int(self._read(f"PRAGMA {name}")[0][0])


def decided(item: Item) -> Problem:
    """Who decided what about a text."""
    got = f"{item.state} by {item.by} at {item.time}" + (f": {item.why}" if item.why else "")
    fix = f"lora-marketing review show {item.id[:16]}; --again reverses a decision"
    return Problem(f"somebody decided about {item.id[:16]} before", got=got, fix=fix)


def _read_back(model: type[ModelT], text: str) -> ModelT:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        got, fix = str(error).splitlines()[0], "lora-marketing review verify"
        raise LogBroken(Problem("the queue is damaged", got=got, fix=fix)) from None


def _check(item: Item, decision: Decision) -> None:
    short = item.id[:16]
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
    return by.strip()


def _row(item: Item) -> tuple[str, str, str, str, int, str]:
    written = item.written
    return item.id, written.brand, written.line, item.state, item.entry, canonical(item)


def _make_file(path: Path) -> None:
    """Make an empty queue that not everybody may read; SQLite's other files get its permissions."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, private_mode(path.parent, 0o644)))
    except OSError:
        return  # another process was faster, or SQLite says what is wrong
