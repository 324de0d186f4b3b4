"""What happened to each variant: impressions, clicks, conversions, from a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from lora_marketing.common.documents import shown
from lora_marketing.common.errors import DataError, Problem, nearest
from lora_marketing.common.files import read_outside

RateName = Literal["ctr", "cvr"]
COUNTS = ("impressions", "clicks", "conversions")
NEEDED = ("id", *COUNTS)
KNOWN = (*NEEDED, "cost", "date")


@dataclass(frozen=True)
class VariantCounts:
    """Counts of one variant. `cost` is in the file's own currency."""

    id: str
    impressions: int
    clicks: int
    conversions: int
    cost: float | None = None

    def trials(self, metric: RateName) -> int:
        """How often it could have happened: impressions for ctr, clicks for cvr."""
        return self.impressions if metric == "ctr" else self.clicks

    def successes(self, metric: RateName) -> int:
        """How often it did: clicks for ctr, conversions for cvr."""
        return self.clicks if metric == "ctr" else self.conversions


def read_results(path: Path) -> list[VariantCounts]:
    """Read a CSV with the columns id, impressions, clicks, conversions, and perhaps cost and date.

    Rows of one variant are added up if each has a date of its own.

    Raises:
        DataError: the file, its columns or its rows are not as they must be; all rows at once.
    """
    try:
        text = read_outside(path).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(Problem("cannot be read", shown(path), got=str(error))) from error
    problems: list[Problem] = []
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise DataError(Problem("not a CSV file", shown(path), got=str(error))) from error
    columns = _columns(rows[0] if rows else [], f"{shown(path)}:1")
    found: dict[str, VariantCounts] = {}
    days: set[tuple[str, str]] = set()
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        where = f"{shown(path)} row {number}"
        result, day, told = _result(columns, row, where)
        key = (result.id, day)
        if not told and result.id in found and (not day or key in days or (result.id, "") in days):
            told.append(Problem("the variant stands there twice", where, result.id, "a date for each row"))
        days.add(key)
        problems += told
        found[result.id] = _sum(found[result.id], result) if result.id in found else result
    if len(found) < 2 and not problems:
        problems.append(Problem("nothing to compare", shown(path), f"{len(found)} variants", "two or more"))
    if problems:
        raise DataError(problems)
    return list(found.values())


def _columns(header: Sequence[str], where: str) -> list[str]:
    names = [name.strip().lower() for name in header]
    problems = [
        Problem(f'unknown column "{name}"', where, allowed=nearest(name, KNOWN))
        for name in names
        if name not in KNOWN
    ]
    problems += [Problem(f"no column {name}", where) for name in NEEDED if name not in names]
    problems += [
        Problem(f"column {name} stands there twice", where) for name in KNOWN if names.count(name) > 1
    ]
    if problems:
        raise DataError(problems)
    return names


def _result(
    columns: Sequence[str], row: Sequence[str], where: str
) -> tuple[VariantCounts, str, list[Problem]]:
    if len(row) != len(columns):
        got = f"{len(row)} cells"
        return VariantCounts("", 0, 0, 0), "", [Problem("a broken row", where, got, f"{len(columns)} cells")]
    cells = {name: cell.strip() for name, cell in zip(columns, row, strict=True)}
    problems = [
        Problem(f"{name} must be a whole number", where, got=cells[name] or "nothing")
        for name in COUNTS
        if not (cells[name].isascii() and cells[name].isdigit())
    ]
    problems += _others(cells, where)
    if problems:
        return VariantCounts(cells["id"], 0, 0, 0), cells.get("date", ""), problems
    shows, clicks, conversions = (int(cells[name]) for name in COUNTS)
    if not conversions <= clicks <= shows:
        got = f"{shows} impressions, {clicks} clicks, {conversions} conversions"
        problems.append(Problem("more clicks than impressions, or conversions than clicks", where, got))
    cost = float(cells["cost"]) if cells.get("cost") else None
    return VariantCounts(cells["id"], shows, clicks, conversions, cost), cells.get("date", ""), problems


def _others(cells: dict[str, str], where: str) -> Iterator[Problem]:
    if not cells["id"]:
        yield Problem("a row without id", where)
    if cost := cells.get("cost"):
        plain = cost.replace(".", "", 1)
        if not (plain.isascii() and plain.isdigit()):
            yield Problem("cost must be a number", where, got=cost, allowed="12.50")
    if day := cells.get("date"):
        try:
            date.fromisoformat(day)
        except ValueError:
            yield Problem("date must be a day", where, got=day, allowed="2026-11-23")


def _sum(a: VariantCounts, b: VariantCounts) -> VariantCounts:
    cost = None if a.cost is None or b.cost is None else a.cost + b.cost
    shows, clicks = a.impressions + b.impressions, a.clicks + b.clicks
    return VariantCounts(a.id, shows, clicks, a.conversions + b.conversions, cost)
