"""What happened to each variant: impressions, clicks, conversions, from a CSV file or a platform's export."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from lora_marketing.common.documents import shown
from lora_marketing.common.errors import DataError, Problem, nearest
from lora_marketing.common.files import read_outside
from lora_marketing.common.printable import unprintable

RateName = Literal["ctr", "cvr"]
COUNTS = ("impressions", "clicks", "conversions")
NEEDED = ("id", *COUNTS)
KNOWN = (*NEEDED, "cost", "date")
NAMES: Mapping[str, tuple[str, ...]] = {
    "id": (
        "ad name",
        "ad id",
        "ad",
        "variant",
        "creative name",
        "creative",
        "广告名称",
        "创意名称",
        "创意id",
        "广告id",
        "创意",
        "广告",
    ),
    "impressions": ("impr.", "impr", "展现量", "展示量", "曝光量", "展示数", "展现", "展示次数", "曝光次数"),
    "clicks": ("link clicks", "clicks (destination)", "clicks (all)", "点击量", "点击数", "点击次数", "点击"),
    "conversions": ("conv.", "conv", "results", "转化数", "转化量", "转化次数", "转化"),
    "cost": ("spend", "amount spent", "total spent", "消费", "花费", "消耗"),
    "date": ("day", "reporting starts", "start date (in utc)", "日期", "时间"),
}
"""What Google, Meta, LinkedIn, TikTok and Baidu call a column in their exports, the best one first."""
TITLE_LINES = 20
"""Lines before the header in which an export may tell its name and dates."""
_TOTAL = re.compile(
    r"(?:grand |sub-?|overall )?totals?(?: results)?(?:\s*[:：–—-].*)?|results from \d+ .*|overall"
    r"|(?:合计|总计|汇总|总和|小计|共计|全部)(?:\s*[:：（(-].*)?|(?:gesamt|summe|итого|totale?)(?:\s*[:：–—-].*)?",
    re.IGNORECASE | re.DOTALL,
)
_NOTHING = frozenset(("", "--", "-", "—", "–", "n/a"))


@dataclass(frozen=True)
class VariantCounts:
    """Counts of one variant. `cost` is in the file's own currency.

    A platform may share a conversion out among clicks, or count several of one click.
    """

    id: str
    impressions: int
    clicks: int
    conversions: float
    cost: float | None = None

    def trials(self, metric: RateName) -> int:
        """How often it could have happened: impressions for ctr, clicks for cvr."""
        return self.impressions if metric == "ctr" else self.clicks

    def successes(self, metric: RateName) -> float:
        """How often it did: clicks for ctr, conversions for cvr."""
        return self.clicks if metric == "ctr" else self.conversions


@dataclass(frozen=True)
class AbTestFile:
    """Variants of a file, and a remark for whatever of it was left out."""

    variants: Sequence[VariantCounts]
    remarks: Sequence[str]


def read_results(path: Path) -> list[VariantCounts]:
    """The variants of a file, as `read_results_file` reads it."""
    return list(read_results_file(path).variants)


def read_results_file(path: Path) -> AbTestFile:
    """Read a CSV with the columns id, impressions, clicks, conversions, and perhaps cost and date.

    A platform's own export will do as well: UTF-8 or UTF-16, separated by commas, semicolons or tabs, a
    title before the header, the platform's names of columns, other columns beside them, totals at the end.
    Rows of one variant are added up if each has a date of its own.

    Raises:
        DataError: the file, its columns or its rows are not as they must be; all rows at once.
    """
    first, rows = _rows_of_file(path)
    columns, others = _columns(rows[0] if rows else [], f"{shown(path)}:{first}")
    remarks = [f"columns left out: {', '.join(others)}"] if others else []
    sums = _sums(columns, rows[1:])
    problems: list[Problem] = []
    found: dict[str, VariantCounts] = {}
    days: set[tuple[str, str]] = set()
    for number, row in enumerate(rows[1:], start=first + 1):
        where = f"{shown(path)} row {number}"
        if not any(cell.strip() for cell in row):
            continue
        if _is_total(columns, row, sums):
            remarks.append(f"{where} left out: a total, no variant")
            continue
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
    return AbTestFile(list(found.values()), remarks)


def _rows_of_file(path: Path) -> tuple[int, list[list[str]]]:
    """The rows of a file from its header on, and the number of the header's row."""
    try:
        raw = read_outside(path)
        wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fix = "save it as UTF-8" if isinstance(error, UnicodeDecodeError) else None
        raise DataError(Problem("cannot be read", shown(path), got=str(error), fix=fix)) from error
    lines = text.splitlines()[:TITLE_LINES]
    for place, line in enumerate(lines):
        for separator in ",\t;":
            names = {_named(cell) for cell in next(csv.reader([line], delimiter=separator), [])}
            if len(names & {*NEEDED}) >= 3:
                return place + 1, _parsed(text, separator, place, path)
    return 1, _parsed(text, ",", 0, path)


def _parsed(text: str, separator: str, skipped: int, path: Path) -> list[list[str]]:
    lines = io.StringIO(text, newline="")
    for _ in range(skipped):
        lines.readline()
    try:
        return list(csv.reader(lines, delimiter=separator, strict=True))
    except csv.Error as error:
        raise DataError(Problem("not a CSV file", shown(path), got=str(error))) from error


def _named(cell: str) -> str | None:
    """The column of that name, in the words of the file or of a platform."""
    name = " ".join(cell.lower().split())
    if name in KNOWN:
        return name
    plain = re.sub(r" ?[(（](?:[a-z]{3}|元)[)）]$", "", name)  # a currency
    return next((column for column, names in NAMES.items() if plain in names), None)


def _columns(header: Sequence[str], where: str) -> tuple[list[str], list[str]]:
    """For each cell of a row the column that it is in, or nothing; and the names of what is left out."""
    names = [" ".join(name.lower().split()) for name in header]
    columns = [""] * len(names)
    problems = [
        Problem(f"column {name} stands there twice", where) for name in KNOWN if names.count(name) > 1
    ]
    for column in KNOWN:
        ranked = [name for name in (column, *NAMES.get(column, ())) if name in names]
        places = [place for place, name in enumerate(names) if _named(name) == column]
        if places:
            best = names.index(ranked[0]) if ranked else places[0]
            columns[best] = column
    missing = [name for name in NEEDED if name not in columns]
    others = [header[place] for place, column in enumerate(columns) if not column]
    if missing:
        problems += [
            Problem(f'unknown column "{name}"', where, allowed=nearest(name, KNOWN)) for name in others
        ]
    problems += [Problem(f"no column {name}", where) for name in missing]
    if problems:
        raise DataError(problems)
    return columns, [name.strip() for name in others if name.strip()]


def _is_total(columns: Sequence[str], row: Sequence[str], sums: Sequence[float]) -> bool:
    """Whether a row says so, or names no variant and has the sums of all that do."""
    if any(_TOTAL.fullmatch(cell.strip()) for cell in row):
        return True
    name, counts = _counts(columns, row)
    return name in _NOTHING and any(counts) and all(map(_nearly, counts, sums))


def _sums(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[float]:
    """The counts of all rows that name a variant."""
    named = [counts for name, counts in (_counts(columns, row) for row in rows) if name not in _NOTHING]
    return [sum(column) for column in zip(*named, strict=True)] or [0.0] * len(COUNTS)


def _counts(columns: Sequence[str], row: Sequence[str]) -> tuple[str, list[float]]:
    cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
    name = cells.get("id", "")
    return "" if _TOTAL.fullmatch(name) else name, [_number(cells.get(key, "")) or 0.0 for key in COUNTS]


def _nearly(a: float, b: float) -> bool:
    return math.isclose(a, b, abs_tol=0.05)  # a platform rounds each share of a conversion


def _number(cell: str) -> float | None:
    """A count or an amount as a platform writes it: `1,000`, `3.50`, `3,50`, `--`; None if it is none."""
    cell = re.sub(r"[\s\u00a0\u202f'’]", "", cell)
    if cell in _NOTHING:
        return 0.0
    if re.fullmatch(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", cell, re.ASCII):
        return float(cell.replace(",", ""))
    if re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]{1,2})|[0-9]+,[0-9]{1,2}", cell, re.ASCII):
        return float(cell.replace(".", "").replace(",", "."))
    return float(cell) if re.fullmatch(r"[0-9]{1,18}(?:\.[0-9]{1,12})?", cell, re.ASCII) else None


def _amount(cell: str) -> float | None:
    """An amount, perhaps with its currency."""
    return _number(re.sub(r"^[^0-9-]{1,4}(?=[0-9])|(?<=[0-9])[^0-9]{1,4}$", "", cell))


def _result(
    columns: Sequence[str], row: Sequence[str], where: str
) -> tuple[VariantCounts, str, list[Problem]]:
    if len(row) != len(columns):
        got = f"{len(row)} cells"
        return VariantCounts("", 0, 0, 0), "", [Problem("a broken row", where, got, f"{len(columns)} cells")]
    cells = {name: cell.strip() for name, cell in zip(columns, row, strict=True) if name}
    problems = [*_wrong_counts(cells, where), *_others(cells, where)]
    if problems:
        return VariantCounts(cells["id"], 0, 0, 0), cells.get("date", ""), problems
    shows, clicks, conversions = (_number(cells[name]) or 0 for name in COUNTS)
    if clicks > shows:
        got = f"{shows:g} impressions, {clicks:g} clicks"
        problems.append(Problem("more clicks than impressions", where, got))
    whole = int(conversions) if conversions == int(conversions) else conversions
    cost = _amount(cells["cost"]) if cells.get("cost") else None
    counts = VariantCounts(cells["id"], int(shows), int(clicks), whole, cost)
    return counts, cells.get("date", ""), problems


def _wrong_counts(cells: Mapping[str, str], where: str) -> Iterator[Problem]:
    for name in COUNTS:
        cell, number = cells[name], _number(cells[name])
        if number is None or not cell:
            what = "a number" if name == "conversions" else "a whole number"
            yield Problem(f"{name} must be {what}", where, got=cell or "nothing", allowed="1000, 1,000")
        elif name != "conversions" and (
            number != int(number) or re.fullmatch(r"[1-9][0-9]{0,2}\.[0-9]{3}", cell)
        ):
            fix = "write it without a point"
            yield Problem(f"{name} must be a whole number", where, got=cell, allowed="1000, 1,000", fix=fix)


def _others(cells: Mapping[str, str], where: str) -> Iterator[Problem]:
    if cells["id"] in _NOTHING:
        yield Problem("a row without id", where)
    if letter := unprintable(cells["id"], one_line=True):
        yield Problem("the id is no name in one line", where, got=cells["id"], fix=f"take out {letter}")
    if (cost := cells.get("cost")) and _amount(cost) is None:
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
