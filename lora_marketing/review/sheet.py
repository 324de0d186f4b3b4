"""CSV that people open in a spreadsheet, and that other programs import.

A spreadsheet runs a cell that begins with one of = + - @, a tab or a line break as a formula, quoted or
not (OWASP, CSV Injection; ASVS 5.0, 1.2.10; read 2026-11-23). Sheets for people get an apostrophe before
such a cell, as those sources say, and `read_sheet` takes it off again. An importer would publish the
apostrophe, so a sheet for one refuses such a cell, or holds it as it is if the caller says that no
spreadsheet will open the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal

FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
"""What a formula begins with; the full-width signs are taken for the others in East Asian versions."""
APOSTROPHE = "'"
Cells = Literal["apostrophe", "as they are"]


def begins_formula(text: str) -> bool:
    """Whether a spreadsheet would run this cell."""
    return text[:1] in FORMULA and text != ""


def sheet(columns: Sequence[str], rows: Sequence[Sequence[str]], cells: Cells) -> bytes:
    """A CSV file in UTF-8 with a byte order mark, without which Excel reads Chinese as Latin letters."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    guarded = [[_guarded(cell) for cell in row] for row in rows] if cells == "apostrophe" else rows
    writer.writerows([columns, *guarded])
    return out.getvalue().encode("utf-8-sig")


def read_sheet(raw: bytes) -> list[dict[str, str]]:
    """The rows of a sheet that was written with apostrophes, as they were before."""
    rows = csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
    columns = next(rows, [])
    return [dict(zip(columns, map(_unguarded, row), strict=True)) for row in rows]


def _guarded(cell: str) -> str:
    """Cells that already look guarded get one more apostrophe, so that reading gives them back."""
    return APOSTROPHE + cell if begins_formula(cell.lstrip(APOSTROPHE)) else cell


def _unguarded(cell: str) -> str:
    inner = cell.removeprefix(APOSTROPHE)
    return inner if inner != cell and begins_formula(inner.lstrip(APOSTROPHE)) else cell
