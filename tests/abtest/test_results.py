"""Results are read strictly, and all that is wrong is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.abtest.results import VariantCounts, read_results
from lora_marketing.common.errors import DataError, LoraMarketingError
from tests.making import property_test

HEADER = "id,impressions,clicks,conversions\n"


def read(folder: Path, text: str) -> list[VariantCounts]:
    path = folder / "results.csv"
    path.write_bytes(text.encode())
    return read_results(path)


def told(folder: Path, text: str) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(folder, text)
    return [
        f"{problem.where}".rpartition("results.csv")[2] + f": {problem.what}"
        for problem in caught.value.problems
    ]


def test_counts_and_cost(tmp_path: Path) -> None:
    found = read(
        tmp_path, "\ufeff Clicks ,ID,Impressions,CONVERSIONS,Cost\r\n3,浮,10,1,2.50\r\n\r\n0,b,9,0,\r\n"
    )
    assert found == [VariantCounts("浮", 10, 3, 1, 2.5), VariantCounts("b", 9, 0, 0)]
    assert (found[0].trials("ctr"), found[0].successes("ctr")) == (10, 3)
    assert (found[0].trials("cvr"), found[0].successes("cvr")) == (3, 1)


def test_dated_rows_are_added_up(tmp_path: Path) -> None:
    header = "date,id,impressions,clicks,conversions,cost\n"
    text = header + "2026-11-01,a,10,3,1,1\n2026-11-02,a,20,4,2,2\n2026-11-01,b,5,1,0,3\n"
    assert read(tmp_path, text) == [VariantCounts("a", 30, 7, 3, 3.0), VariantCounts("b", 5, 1, 0, 3.0)]
    for twice in ("2026-11-02,a,1,1,1,1\n", ",a,1,1,1,1\n"):
        assert told(tmp_path, text + twice) == [" row 5: the variant stands there twice"]
    assert told(tmp_path, HEADER + "a,1,1,1\na,1,1,1\nb,1,1,1\n") == [
        " row 3: the variant stands there twice"
    ]


def test_all_that_is_wrong_at_once(tmp_path: Path) -> None:
    rows = "a,10,11,0\nb,10,1,2\nc,1.5,-1,\n,5,1,0\nd,1,1\ne,٣,0,0\n"
    assert told(tmp_path, HEADER + rows) == [
        " row 2: more clicks than impressions, or conversions than clicks",
        " row 3: more clicks than impressions, or conversions than clicks",
        " row 4: impressions must be a whole number",
        " row 4: clicks must be a whole number",
        " row 4: conversions must be a whole number",
        " row 5: a row without id",
        " row 6: a broken row",
        " row 7: impressions must be a whole number",
    ]
    more = "id,impressions,clicks,conversions,cost,date\na,1,1,1,-1,2026-13-01\nb,1,1,1,x,1\n"
    assert [line[8:] for line in told(tmp_path, more)] == ["cost must be a number", "date must be a day"] * 2


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no column id"),
        ("id,impressions,clicks\n", "no column conversions"),
        ("id,impresions,clicks,conversions\n", 'unknown column "impresions"'),
        ("id,id,impressions,clicks,conversions\n", "column id stands there twice"),
        (HEADER + "a,1,1,1\n", "nothing to compare"),
        (HEADER + '"a,1,1,1\n', "not a CSV file"),
    ],
)
def test_files_without_a_test(tmp_path: Path, text: str, what: str) -> None:
    assert any(what in line for line in told(tmp_path, text))


@property_test
@given(st.text("id,impressionsclk\n\"'09-. \r浮", max_size=60))
def test_any_text_is_read_or_told(tmp_path: Path, text: str) -> None:
    for whole in (text, HEADER + text):
        try:
            found = read(tmp_path, whole)
        except LoraMarketingError:
            continue
        assert all(one.conversions <= one.clicks <= one.impressions for one in found)
