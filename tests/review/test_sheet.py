"""CSV that no spreadsheet runs and that reads back as it was."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.review.sheet import begins_formula, read_sheet, sheet
from tests.making import property_test

cells = st.text(st.characters(codec="utf-8"), max_size=9) | st.text("'=+-@\t\r\n\",;| x券", max_size=7)


@property_test
@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5))
def test_any_text_survives(rows: list[list[str]]) -> None:
    raw = sheet(("a", "b"), rows, "apostrophe")
    assert read_sheet(raw) == [dict(zip("ab", row, strict=True)) for row in rows]
    for row in csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")):
        assert not any(cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in row)
    for row in csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=";"):
        assert not any(cell.lstrip().startswith(tuple("=+@＝＋＠")) for cell in row)


@pytest.mark.parametrize(
    "text", ["+50 % more foam", "-20 % until Sunday", "@tidal", "=1+1", "＝折扣", "'quoted'"]
)
def test_what_begins_like_a_formula_gets_an_apostrophe(text: str) -> None:
    (row,) = list(csv.reader(io.StringIO(sheet(("a",), [[text]], "apostrophe").decode("utf-8-sig"))))[1:]
    assert row == [text if text == "'quoted'" else f"'{text}"]


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("Soap;=1+1;x", "Soap;'=1+1;x"),
        (" =1+1", "' =1+1"),
        ('Soap\n"=1+1', "Soap\n'\"=1+1"),
        ("\u00a0\u200b＝1+1", "'\u00a0\u200b＝1+1"),
        ("a\t-1+1", "a\t'-1+1"),
        ("a|@SUM(A1)", "a|'@SUM(A1)"),
        ("a\n=1+1", "a\n'=1+1"),
        ("a\n- 1(cmd|x)", "a\n'- 1(cmd|x)"),
        ("Soft:\n- on skin\n- on linen", "Soft:\n- on skin\n- on linen"),
        ("1 + 1 = 2, e-mail a@b.example", "1 + 1 = 2, e-mail a@b.example"),
    ],
)
def test_a_cell_may_begin_behind_what_separates_cells_elsewhere(text: str, guarded: str) -> None:
    (row,) = list(
        csv.reader(io.StringIO(sheet(("a",), [[text]], "apostrophe").decode("utf-8-sig"), newline=""))
    )[1:]
    assert row == [guarded]
    assert begins_formula(text) == (text != guarded)


def test_excel_reads_chinese() -> None:
    assert sheet(("a",), [["香皂"]], "as they are") == "\ufeffa\r\n香皂\r\n".encode()
