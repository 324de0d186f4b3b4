"""Results are read strictly, and all that is wrong is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.abtest.results import VariantCounts, read_results, read_results_file
from lora_marketing.abtest.verdict import StoppingRule, judge
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
        " row 2: more clicks than impressions",
        " row 4: impressions must be a whole number",
        " row 4: clicks must be a whole number",
        " row 4: conversions must be a number",
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
        assert all(0 <= one.clicks <= one.impressions and one.conversions >= 0 for one in found)


TAB = 'Ad report\n"1 November 2026 - 28 November 2026"\nCampaign\tAd name\tImpr.\tClicks\tCTR\tConv.\tCost\n'
EXPORTS = {
    "floats": b"id,impressions,clicks,conversions\na,5000,98,4.00\nb,5000,110,3.33\n",
    "google": (
        TAB + 'x\ta\t"5,000"\t98\t1.96%\t4.00\t12.50\nx\tb\t5000\t110\t2.20%\t3.33\t"1,012.50"\n'
        "Total: Ads\t --\t10,000\t208\t2.08%\t7.33\t1025.00\n"
    ).encode("utf-16"),
    "german": b"id;impressions;clicks;conversions\na;5000;98;4,00\nb;5000;110;3,33\n",
    "meta": (
        b"Ad name,Reporting starts,Impressions,Clicks (all),Link clicks,Results,Amount spent (USD)\n"
        b",2026-11-01,10000,300,208,7.33,\na,2026-11-01,5000,120,98,4,\nb,2026-11-01,5000,180,110,3.33,\n"
    ),
    "baidu": (
        "创意名称,展现量,点击量,转化数,消费(元)\na,5000,98,4,¥12.5\nb,5000,110,3.33,3\n合计,10000,208,7.33,15.5\n"
    ).encode(),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_of_platforms(tmp_path: Path, name: str) -> None:
    (tmp_path / "results.csv").write_bytes(EXPORTS[name])
    file = read_results_file(tmp_path / "results.csv")
    assert [(one.id, one.impressions, one.clicks, one.conversions) for one in file.variants] == [
        ("a", 5000, 98, 4),
        ("b", 5000, 110, 3.33),
    ]
    assert any("a total" in remark for remark in file.remarks) == (name in ("google", "meta", "baidu"))


@pytest.mark.parametrize(
    "total",
    [
        "Total",
        "total",
        "Grand Total",
        "Totals",
        "Total: Account",
        "合计",
        "总计",
        "Results from 2 ads",
        "",
        "--",
    ],
)
def test_a_total_is_no_variant(tmp_path: Path, total: str) -> None:
    found = read(tmp_path, HEADER + f"a,5000,30,4\nb,5000,50,1\n{total},10000,80,5\n")
    assert [one.id for one in found] == ["a", "b"]


def test_what_only_looks_like_a_total_or_a_number(tmp_path: Path) -> None:
    assert len(read(tmp_path, HEADER + "Total comfort,5000,30,4\nb,5000,50,--\n")) == 2
    assert told(tmp_path, HEADER + "a,1.000,0,0\nb,9,3%,0\n,7,1,0\n") == [
        " row 2: impressions must be a whole number",
        " row 3: clicks must be a whole number",
        " row 4: a row without id",
    ]


def test_several_conversions_of_a_click_are_no_rate(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + "a,5000,30,40\nb,5000,50,1\n")
    assert judge(found, "ctr", StoppingRule()).metric == "ctr"
    with pytest.raises(DataError, match="a: 40 of 30 clicks"):
        judge(found, "cvr", StoppingRule())
