"""The SQLite file of a queue: how it is made, opened and changed."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lora_marketing.common.documents import shown
from lora_marketing.common.errors import Problem, ReviewError
from lora_marketing.common.files import private_mode

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


class QueueDatabase:
    """One open file.

    Raises:
        ReviewError: it cannot be used, is no queue, or one of a newer version.
    """

    def __init__(self, path: Path, create: bool) -> None:
        self.path = path
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

    def close(self) -> None:
        """Let the file go."""
        self._base.close()

    def execute(self, statement: str, values: tuple[Any, ...]) -> None:
        """Change something, within `changing`."""
        self._base.execute(statement, values)

    def read(self, query: str, *values: str | int | None) -> list[tuple[Any, ...]]:
        """The rows that a query finds."""
        with self._errors_told():
            return self._base.execute(query, values).fetchall()

    @contextmanager
    def as_one(self) -> Iterator[None]:
        """Several reads between which nobody writes; within a transaction they are one already."""
        if self._base.in_transaction:
            yield
            return
        with self._errors_told():
            self._base.execute("BEGIN")
            try:
                yield
            finally:
                self._base.execute("ROLLBACK")

    @contextmanager
    def changing(self) -> Iterator[None]:
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
            if create and not self._pragma("application_id") and not self.read("SELECT 1 FROM sqlite_schema"):
                self._write_ahead()
                with self.changing():
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
        with self.changing():
            for version in range(self._pragma("user_version"), len(MIGRATIONS)):
                for statement in MIGRATIONS[version]:
                    self._base.execute(statement)
                self._base.execute(f"PRAGMA user_version = {version + 1}")

    def _pragma(self, name: str) -> int:
        return int(self.read(f"PRAGMA {name}")[0][0])


def _make_file(path: Path) -> None:
    """Make an empty queue that not everybody may read; SQLite's other files get its permissions."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, private_mode(path.parent, 0o644)))
    except OSError:
        return  # another process was faster, or SQLite says what is wrong
