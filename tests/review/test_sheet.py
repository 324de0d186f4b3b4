"""CSV that no spreadsheet runs and that reads back as it was."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.review.sheet import read_sheet, sheet
from tests.making import property_test

cells = st.text(st.characters(codec="utf-8"), max_size=9) | st.text("'=+-@\t\r\n\",x券", max_size=5)


@property_test
@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5))
def test_any_text_survives(rows: list[list[str]]) -> None:
    raw = sheet(("a", "b"), rows, "apostrophe")
    assert read_sheet(raw) == [dict(zip("ab", row, strict=True)) for row in rows]
    for row in csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")):
        assert not any(cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in row)


@pytest.mark.parametrize(
    "text", ["+50 % more foam", "-20 % until Sunday", "@tidal", "=1+1", "＝折扣", "'quoted'"]
)
def test_what_begins_like_a_formula_gets_an_apostrophe(text: str) -> None:
    (row,) = list(csv.reader(io.StringIO(sheet(("a",), [[text]], "apostrophe").decode("utf-8-sig"))))[1:]
    assert row == [text if text == "'quoted'" else f"'{text}"]


def test_excel_reads_chinese() -> None:
    assert sheet(("a",), [["香皂"]], "as they are") == "\ufeffa\r\n香皂\r\n".encode()
