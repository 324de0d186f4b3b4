"""The log of decisions: a chain of entries from which the present state of every text follows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from pydantic import ValidationError

from lora_marketing.brands.brand import AS_KEPT
from lora_marketing.common.documents import Frozen
from lora_marketing.common.errors import Problem
from lora_marketing.copy.record import Copy
from lora_marketing.guards import Finding, Verdict, verdict

ReviewState = Literal["pending", "approved", "edited", "rejected"]
SHIPPABLE: tuple[ReviewState, ...] = ("approved", "edited")
"""States of texts that may be published."""
START = "0" * 64
"""What the first entry holds instead of the hash of an entry before it."""


class LogEntry(Frozen):
    """One thing that happened to one text.

    Args:
        number: 1, 2, 3 ... without gaps.
        previous: sha256 of the entry before.
        time: ISO 8601, UTC.
        by: who did it.
        item: id of the text.
        state: what the text became; `pending` when it was put up.
        why: the reason, or a note.
        override: why the text was approved although a guard blocks it.
        written: the copy, when it was put up.
        text: the edited text.
        findings: what the guards had against the copy, or against the edited text.
    """

    number: int
    previous: str
    time: str
    by: str
    item: str
    state: ReviewState
    why: str = ""
    override: str | None = None
    written: Copy | None = None
    text: str | None = None
    findings: tuple[Finding, ...] | None = None


class Item(Frozen):
    """One text as it stands now. `text` is what would be published, `entry` the last entry about it.

    `findings` are about `text`; `original` are those about what was put up.
    """

    id: str
    written: Copy
    state: ReviewState
    text: str
    findings: tuple[Finding, ...]
    original: tuple[Finding, ...]
    by: str
    time: str
    why: str
    override: str | None
    entry: int

    @property
    def verdict(self) -> Verdict:
        """What the guards say of `text`."""
        return verdict(self.findings)


@dataclass(frozen=True)
class Line:
    """One entry as it is stored: its number, its canonical JSON, the sha256 of that."""

    number: int
    text: str
    sha256: str


def canonical(value: Frozen) -> str:
    """One spelling for each value: JSON with sorted keys, no spaces, text as it is."""
    return json.dumps(
        value.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def item_id(copy: Copy) -> str:
    """sha256 of what a person judges: text, brief, brand and line, whoever wrote it and how."""
    judged = copy.model_dump_json(include={"text", "brief", "brand", "line"})
    text = json.dumps(json.loads(judged), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


def line_of(entry: LogEntry) -> Line:
    """How an entry is stored."""
    text = canonical(entry)
    return Line(entry.number, text, sha256(text.encode()).hexdigest())


def after(entry: LogEntry, before: Item | None) -> Item:
    """The text after `entry`, if it was `before` until then.

    Raises:
        ValueError: the entry cannot come next.
    """
    common: dict[str, Any] = {"id": entry.item, "state": entry.state, "by": entry.by, "time": entry.time}
    common |= {"why": entry.why, "override": entry.override, "entry": entry.number}
    if before is None:
        if entry.written is None or entry.findings is None or entry.state != "pending":
            raise ValueError("a decision about a text that was not put up")
        written, findings = entry.written, entry.findings
        return Item(**common, written=written, text=written.text, findings=findings, original=findings)
    if entry.written is not None:
        raise ValueError("a text that was put up twice")
    changes = {**common, "text": before.written.text, "findings": before.original}
    if entry.state == "edited":
        if entry.text is None or entry.findings is None:
            raise ValueError("an edit without a text")
        changes |= {"text": entry.text, "findings": entry.findings}
    return before.model_copy(update=changes)


def changed_since(line: Line) -> Iterator[Problem]:
    """Whether a stored entry is another than when it was written."""
    if sha256(line.text.encode()).hexdigest() != line.sha256:
        where = f"log entry {line.number}"
        yield Problem("the entry was changed: it does not have the hash that was kept", where)


def broken_links(lines: Iterable[Line]) -> Iterator[Problem]:
    """Where the chain of stored entries is broken."""
    previous = START
    for place, line in enumerate(lines, start=1):
        where = f"log entry {line.number}"
        if line.number != place:
            yield Problem(
                "entries are missing", where, got=f"number {line.number}", allowed=f"number {place}"
            )
            return
        yield from changed_since(line)
        try:
            entry = LogEntry.model_validate_json(line.text, context=AS_KEPT)
        except ValidationError as error:
            yield Problem("not an entry", where, got=str(error).splitlines()[0])
        else:
            if entry.previous != previous:
                yield Problem("the chain is broken: the entry before it is another one", where)
            if entry.number != line.number or canonical(entry) != line.text:
                yield Problem("the entry was changed: it is not written as entries are", where)
        previous = line.sha256


def replayed(entries: Iterable[LogEntry]) -> dict[str, Item]:
    """Every text by its id, as the log says that it stands.

    Raises:
        ValueError: an entry that cannot come where it stands.
    """
    items: dict[str, Item] = {}
    for entry in entries:
        items[entry.item] = after(entry, items.get(entry.item))
    return items
