"""Values are found however they are spelled, and errors are counted once each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.brands.brand import Brief
from lora_marketing.metrics import MeasuredText
from lora_marketing.metrics._values import clauses, parts, places, spelled
from lora_marketing.metrics.slots import count, slot_errors
from tests.making import property_test

KNOWN = {
    "roast": ["dark", "light", "medium-dark"],
    "price": ["£9", "£12"],
    "familyFriendly": ["yes", "no"],
    "亮度": ["200 流明", "300 流明"],
}


def errors(text: str, attributes: dict[str, str], **more: object) -> tuple[int, int, int]:
    brief = Brief(product="Nightshift Light Box", channel="sms", field="text", attributes=attributes)
    return slot_errors(MeasuredText(text, brief, "ember", "en", known=KNOWN, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("250 g", "A bag of 250 grams."),
        ("250g", "250 g"),
        ("£9", "nine pounds"),
        ("£1,200", "only 1200 pounds"),
        ("3.50", "3.5"),
        ("cocoa, molasses", "Cocoa, then molasses."),
        ("gift box", "in gift boxes"),
        ("20%", "twenty? No: 20 percent"),
        ("family-friendly", "Family friendly food"),
        ("568 元", "只要 ￥568"),
        ("卷边 3 圈", "卷边三圈"),
        ("12 升", "十二升"),
        ("５００ 毫升", "500 ml"),
    ],
)
def test_a_value_is_found_in_another_spelling(value: str, text: str) -> None:
    assert all(places(part, spelled(text)) for part in parts(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [("£9", "£90"), ("dark", "darkness"), ("250 g", "250 ml"), ("12 升", "2 升"), ("轻", "重")],
)
def test_another_value_is_not_found(value: str, text: str) -> None:
    assert not all(places(part, spelled(text)) for part in parts(value))


@property_test
@given(st.text(), st.text(), st.text())
def test_words_are_found_wherever_they_stand(before: str, value: str, after: str) -> None:
    found = spelled(value)
    whole = f" {before.strip()}{found}{after.strip()} "
    assert not found.strip() or places(found, whole)


@pytest.mark.parametrize(
    ("text", "attributes", "wanted"),
    [
        ("Dark roast, £9.", {"roast": "dark", "price": "£9"}, (0, 0, 0)),
        ("A bag.", {"roast": "dark", "price": "£9"}, (2, 0, 0)),
        ("Light roast, £9.", {"roast": "dark", "price": "£9"}, (1, 1, 0)),
        ("Dark. Still dark.", {"roast": "dark"}, (0, 0, 1)),
        ("Dark roast for £12.", {"roast": "dark"}, (0, 1, 0)),
        ("Medium-dark roast.", {"roast": "medium-dark"}, (0, 0, 0)),
        ("The Nightshift Light Box is dark.", {"roast": "dark"}, (0, 0, 0)),
        ("Family friendly.", {"familyFriendly": "yes"}, (0, 0, 0)),
        ("It is not family-friendly.", {"familyFriendly": "no"}, (0, 0, 0)),
        ("It is not family-friendly.", {"familyFriendly": "yes"}, (1, 1, 0)),
        ("No.", {"familyFriendly": "no"}, (1, 0, 0)),
        ("It isn’t family-friendly.", {"familyFriendly": "no"}, (0, 0, 0)),
        ("We can't call it family-friendly.", {"familyFriendly": "no"}, (0, 0, 0)),
        ("This T-shirt is family-friendly.", {"familyFriendly": "yes"}, (0, 0, 0)),
        ("Can T-shirts be family-friendly?", {"familyFriendly": "yes"}, (0, 0, 0)),
        ("Dull? No. Family-friendly.", {"familyFriendly": "yes"}, (0, 0, 0)),
        ("What it is not: family-friendly.", {"familyFriendly": "yes"}, (0, 0, 0)),
        ("不防水", {"防水": "否"}, (0, 0, 0)),
        ("重吗？不。防水。", {"防水": "是"}, (0, 0, 0)),
        ("Dark roast. 250 g. Price: £9.", {"roast": "dark", "price": "£9"}, (0, 0, 0)),
        ("200 流明的灯", {"亮度": "200 流明"}, (0, 0, 0)),
        ("300 流明的灯", {"亮度": "200 流明"}, (1, 1, 0)),
    ],
)
def test_missing_invented_and_repeated(
    text: str, attributes: dict[str, str], wanted: tuple[int, int, int]
) -> None:
    assert errors(text, attributes) == wanted


@pytest.mark.parametrize(
    ("known", "told"), [({"roast": ["dark", "light"]}, True), ({"roast": ["dark"]}, False), ({}, False)]
)
def test_where_no_other_value_is_known_nothing_is_said_of_invented_ones(
    known: dict[str, list[str]], told: bool
) -> None:
    brief = Brief(product="Box", channel="sms", field="text", attributes={"roast": "dark"})
    (found,) = count([MeasuredText("Light roast.", brief, "ember", "en", known=known)])
    assert ("slots_invented" in found) == told
    assert {"slot_coverage", "slot_errors", "slots_repeated"} <= found.keys()


@property_test
@given(st.lists(st.sampled_from(["Not dark", " £1,200", "12 g", ". ", ": ", "。", "不", "St", "3.50", "\n"])))
def test_clauses_stand_where_their_words_stand(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert clauses(text).replace("\n", " ").split() == spelled(text).split()


def test_a_listed_wording_says_the_value() -> None:
    wordings = {"familyFriendly": {"no": ["adults only"], "yes": ["bring the kids"]}}
    assert errors("Adults only.", {"familyFriendly": "no"}, wordings=wordings) == (0, 0, 0)
    assert errors("Bring the kids.", {"familyFriendly": "no"}, wordings=wordings) == (1, 1, 0)
    assert errors("Black as night.", {"roast": "dark"}, wordings={"roast": {"dark": ["black"]}}) == (0, 0, 0)


def test_what_the_brands_facts_say_is_not_invented() -> None:
    facts = ["Every bag costs £12 and is roasted on Monday."]
    assert errors("Dark roast, £12.", {"roast": "dark"}, facts=facts) == (0, 0, 0)
