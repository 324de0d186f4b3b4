"""Terms that a brand bans, must say, or is called by, in English and Chinese."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lora_marketing.copy.mending import mend
from lora_marketing.guards.terms import find
from tests.guards.making import brand, case


def found(text: str, **own: Any) -> list[tuple[str, str, str]]:
    return [
        (one.rule.removeprefix("terms."), one.severity, text[slice(*one.span)] if one.span else "")
        for one in find(text, case(**own))
    ]


def test_disguised_terms_block_where_they_stand() -> None:
    assert found("A m1racle by fj0rdsuds.") == [
        ("banned", "block", "m1racle"),
        ("competitor", "block", "fj0rdsuds"),
    ]
    bans = ["最佳", "国家级"]
    assert found("这是最 佳的國家級面霜", banned_terms=bans) == [
        ("banned", "block", "最 佳"),
        ("banned", "block", "國家級"),
    ]


def test_a_term_of_signs_is_taken_as_it_is_spelled() -> None:
    assert found("We write C++ in C.", banned_terms=["C++"]) == [("banned", "block", "C++")]


@pytest.mark.parametrize("slip", ["Fjordsubs", "Fjodrsuds", "Fjordsud", "Fjordssuds"])
def test_one_slip_in_a_long_competitor_is_for_a_person(slip: str) -> None:
    assert found(f"Like {slip}.") == [("competitor", "review", slip)]
    assert found(f"Like {slip}.", facts=[f"{slip} is ours."]) == []


def test_short_competitors_have_no_slips() -> None:
    assert found("A sole of gold.", competitors=["Solis", "Golt"]) == []


@pytest.mark.parametrize(
    "text",
    [
        "Fjord floats.",
        "FJORD FLOATS",
        "Fjord's",
        "see fjord.example/x",
        "fJord.example has it",
        "@fjord",
        "#fjord",
        "down by the fjord, a FJORD sale",
    ],
)
def test_the_brand_may_be_called_so(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("wrong", ["fJORD", "Fjоrd", "FJord", "F-jord"])
def test_the_brand_in_other_letters_is_mended(wrong: str) -> None:
    (one,) = find(f"Say {wrong} softly.", case())
    assert (one.rule, one.severity, one.suggestion) == ("terms.spelling", "fix", "Fjord")


def test_a_chinese_name_in_the_other_script() -> None:
    assert found("臺灣的雲杉", display_name="云杉") == [("spelling", "fix", "雲杉")]
    assert found("云杉香皂", display_name="云杉") == []


@pytest.mark.parametrize("name", ["Levi's", "Levi’s"])
def test_apostrophes_in_a_name_may_be_straight_or_curly(name: str) -> None:
    assert found("Levi's, Levi’s and LEVI'S", display_name=name) == []
    assert found("Levis jeans", display_name=name) == [("spelling", "fix", "Levis")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Ember", "the last ember of the fire, EMBER and Ember"),
        ("Macy’s", "Macy’s is here, it's open, MACY’S"),
        ("Macy's", "“Now” at Macy's: it’s"),
        ("Ember 咖啡", "来一杯 Ember 咖啡"),
        ("Ember 咖啡", "喝Ember 咖啡吧"),
        ("山屿，茶", "喝山屿，茶"),
        ("Yahoo!", "Say Yahoo! now"),
        ("C++", "in C++ now"),
        ("「山」屿", "喝「山」屿吧"),
    ],
)
def test_a_mended_name_is_right(name: str, text: str) -> None:
    own = brand(display_name=name, locale="en-GB" if text.split()[0].isascii() else "zh-CN")
    assert list(find(mend(text, own).text, replace(case(), brand=own))) == []


def test_a_name_has_slips_from_seven_letters_on() -> None:
    for name, slip, rules in (("Solista", "Solisto", ["terms.competitor"]), ("Golten", "Goltan", [])):
        assert [one.rule for one in find(f"Like {slip}.", case(competitors=[name]))] == rules


@pytest.mark.parametrize(
    "text", ["@FJord", "#fJORD", "x/fJord", "a.fJORD", "my_fJORD", "my-FJord", "fJORD@x", "FJord-x"]
)
def test_addresses_and_tags_are_written_as_they_have_to_be(text: str) -> None:
    assert found(text) == []
