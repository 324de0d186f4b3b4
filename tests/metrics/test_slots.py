"""Values are found however they are spelled, and errors are counted once each."""

from __future__ import annotations

import pytest

from lora_marketing.brands.brand import Brief
from lora_marketing.metrics import MeasuredText
from lora_marketing.metrics.slots import count, slot_errors

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


def test_a_listed_wording_says_the_value() -> None:
    wordings = {"familyFriendly": {"no": ["adults only"], "yes": ["bring the kids"]}}
    assert errors("Adults only.", {"familyFriendly": "no"}, wordings=wordings) == (0, 0, 0)
    assert errors("Bring the kids.", {"familyFriendly": "no"}, wordings=wordings) == (1, 1, 0)
    assert errors("Black as night.", {"roast": "dark"}, wordings={"roast": {"dark": ["black"]}}) == (0, 0, 0)


def test_what_the_brands_facts_say_is_not_invented() -> None:
    facts = ["Every bag costs £12 and is roasted on Monday."]
    assert errors("Dark roast, £12.", {"roast": "dark"}, facts=facts) == (0, 0, 0)
