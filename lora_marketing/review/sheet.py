"""CSV that people open in a spreadsheet, and that other programs import.

A spreadsheet runs a cell that begins with one of = + - @, a tab or a line break as a formula, quoted or
not (OWASP, CSV Injection; ASVS 5.0, 1.2.10; read 2026-11-23). It may take spaces away first, and where its
separator is another one (`;` in most of Europe), quotes do not hold, and a cell begins behind each `;` and
line break of a text. Sheets for people get an apostrophe before every such place, as those sources say,
and `read_sheet` takes them off again. An importer would publish the apostrophe, so a sheet for one refuses
such a text, or holds it as it is if the caller says that no spreadsheet will open the file.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import Literal

APOSTROPHE = "'"
Cells = Literal["apostrophe", "as they are"]


_SIGN = r"=+\-@＝＋－＠﹢﹣﹦﹫"
"""What a formula begins with; East Asian versions take full-width and small signs for the others."""
_BLANK = r"[^\S\t\r\n]|[\u00ad\u200b-\u200f\u2060\ufeff]"
"""What may stand before it: spaces of any kind, letters that are not seen."""
_ITEM = r"-[ \u00a0](?![^\t\r\n;|]*[|(!=@])"
"""What begins a line and is an item of a list, not a formula that would do anything."""
_BEFORE = f"'*+(?:{_BLANK})*+"
_WITHIN = f"'*+(?:{_BLANK}|\")*+"
"""Quotes of a text are doubled: a cell that begins with two of them there is open and closed at once."""
_PLACES = (
    (r"\A", rf"(?={_BEFORE}[{_SIGN}\t\r\n])"),
    (r"(?<=[;|\t])", f"(?={_WITHIN}[{_SIGN}])"),
    (r"(?<=[\r\n])", f"(?={_WITHIN}(?!{_ITEM})[{_SIGN}])"),
)
"""Where cells begin, and what follows there if a spreadsheet would run it."""
_FORMULA = re.compile("|".join(begin + run for begin, run in _PLACES))
_GUARDED = re.compile("|".join(f"{begin}'{run}" for begin, run in _PLACES))


def begins_formula(text: str) -> bool:
    """Whether a spreadsheet would run this cell, or a part of it where its separator is another one."""
    return _FORMULA.search(text) is not None


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
    """Parts that already look guarded get one more apostrophe, so that reading gives them back."""
    return _FORMULA.sub(APOSTROPHE, cell)


def _unguarded(cell: str) -> str:
    return _GUARDED.sub("", cell)
