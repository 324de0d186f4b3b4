"""Facts: what nobody gave is found, and whatever is given may be spelled another way."""

from __future__ import annotations

from typing import Any

import pytest

from lora_marketing.guards import Finding
from lora_marketing.guards.facts import find
from tests.guards.making import case

BRIEF = {
    "product": "Night Bar 3",
    "attributes": {"weight": "250 g", "price": "£9", "colour": "navy", "material": "纯棉"},
    "notes": "1,000 jars, 10% off until 2026-11-30, open until 9pm, two-year guarantee, 12元",
}


def found(text: str, brief: dict[str, Any] = BRIEF) -> list[Finding]:
    return list(find(text, case(brief)))


@pytest.mark.parametrize(
    "text",
    [
        "250g, 0.25 kg, 250 grams, 二百五十克",
        "nine pounds, £9.00, 9英镑, 12元, 十二块钱",
        "1k jars, 1000 jars, one thousand jars",
        "10 percent, 百分之十, 九折",
        "by 30 November, Nov 30th, 11月30日, at 21:00, 晚上9点",
        "two years, 24 months, 两年",
        "one dry joke, at first, both of you, one by one",
        "一个好故事，一起出发，四季都好，千万别错过",
        "Night Bar 3 in navy, 纯棉",
        "12块, 12¥",
    ],
)
def test_what_is_given_may_be_spelled_in_any_way(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "rule", "severity", "span", "suggestion"),
    [
        ("A 300 g bar", "number", "block", "300 g", "250 g"),
        ("每罐三百克", "number", "block", "三百克", "250 g"),
        ("Only £8.50!", "price", "block", "£8.50", "£9"),
        ("只要八元", "price", "block", "八元", "12元"),
        ("20% off", "price", "block", "20%", "10%"),
        ("全场七折", "price", "block", "七折", "10%"),
        ("with twelve herbs", "number", "review", "twelve", None),
        ("until 2 December", "number", "review", "2 December", "2026-11-30"),
        ("£9, was £20", "price", "review", "£20", "£9"),
        ("open until 22:30", "number", "block", "22:30", "9pm"),
        ("beside the Moonlit Roast you love", "name", "review", "Moonlit Roast", None),
        ("fits the WX-2000", "name", "review", "WX-2000", None),
        ("in bright red", "value", "review", "red", "navy"),
        ("亚麻面料", "value", "review", "亚麻", "纯棉"),
    ],
)
def test_what_nobody_gave_is_found_and_what_contradicts_is_blocked(
    text: str, rule: str, severity: str, span: str, suggestion: str | None
) -> None:
    (one,) = found(text)
    assert one.span is not None
    assert (one.rule, one.severity, text[slice(*one.span)]) == (f"facts.{rule}", severity, span)
    assert one.suggestion == suggestion


@pytest.mark.parametrize(
    "text",
    [
        "15% off",
        "Only £20",
        "Half price",
        "Buy one get one free",
        "3 for 2",
        "半价",
        "全场对折",
        "买一送一",
        "只要三块",
        "每盒九十九块",
        "99¥",
        "20€",
        "99p",
        "20 quid",
        "Decaf 20% off",
        "May 20% off",
        "£15 March",
    ],
)
def test_a_price_that_nobody_gave_is_seen_by_a_person(text: str) -> None:
    """A number in the product's name, the guide or the facts is no price."""
    brief = {"product": "Serum 15", "notes": "serves 3"}
    asked = case(brief, guide="Keep sentences under 20 words.", facts=["99 bars a day, 50 at night"])
    assert [(one.rule, one.severity) for one in find(text, asked)] == [("facts.price", "review")]


def test_a_price_that_was_given_may_be_said() -> None:
    notes = "50% off, buy one get one free"
    assert (
        found("Half price! 半价, 对折, 五折. BOGOF, 2 for 1, 买一送一", {"product": "Bar", "notes": notes})
        == []
    )
    assert found("Only £15, 15元", {"product": "Bar", "attributes": {"price": "15"}}) == []
    assert found("2 metres", {"product": "Rope", "attributes": {"length": "2m"}}) == []
    assert found("£2 million", {"product": "Bar", "notes": "£2m"}) == []


@pytest.mark.parametrize(
    "text",
    [
        "Dinner for two. Two hands. One bar. A set of three. Seven days a week.",
        "百合香味的百香果、百褶裙、百叶窗、千层蛋糕、万能",
        "万圣节礼盒进了千家万户，百度一下",
        "五一假期、六一儿童节、三八妇女节、十一黄金周，一一对应",
        "只要一块香皂，三块香皂，切成三块。把纸对折，三折伞",
        "In March we decamp to Marbella; the market may close.",
    ],
)
def test_everyday_words_state_nothing(text: str) -> None:
    assert found(text) == []


EXCLUSIVE = (
    "red blue green yellow black white grey gray pink purple brown beige navy teal crimson",
    "cotton linen wool silk leather polyester nylon cashmere suede denim bamboo hemp",
    "oak pine walnut beech steel aluminium titanium copper brass plastic ceramic glass",
    "红色 蓝色 绿色 黄色 黑色 白色 灰色 粉色 紫色 棕色 米色 藏青 卡其色",
    "纯棉 亚麻 羊毛 真丝 皮革 涤纶 尼龙 羊绒 牛皮 麂皮 雪纺 聚酯",
    "橡木 松木 胡桃木 不锈钢 铝合金 钛 铜 塑料 陶瓷 玻璃",
)


@pytest.mark.parametrize("values", EXCLUSIVE)
def test_a_value_excludes_every_other_of_its_kind(values: str) -> None:
    first, *others = values.split(" ")
    brief = {"product": "Bar", "attributes": {"of": first}}
    assert found(f"It is {first}.", brief) == []
    for other in others:
        (one,) = found(f"It is {other}.", brief)
        assert (one.rule, one.severity, one.suggestion) == ("facts.value", "review", first)
        assert found(f"It is {other}.", {"product": "Bar", "attributes": {"of": f"{first}, {other}"}}) == []
    assert found(f"It is {others[0]}.", {"product": "Bar"}) == [], "the brief says nothing of it"


def test_the_nearest_known_value_is_suggested() -> None:
    notes = "100 g, 500 g, £5 and £20"
    suggested = {
        text: found(text, {"product": "Bar", "notes": notes})[0].suggestion
        for text in ("90 g", "290 g", "310 g", "9 kg", "£12", "£13", "7 ml")
    }
    assert suggested == {
        "90 g": "100 g",
        "290 g": "100 g",
        "310 g": "500 g",
        "9 kg": "500 g",
        "£12": "£5",
        "£13": "£20",
        "7 ml": None,
    }


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("two pieces", False),
        ("two kilos", True),
        ("ten pieces", False),
        ("eleven pieces", True),
        ("1 piece", True),
        ("one kilo", False),
        ("twelve pieces", True),
        ("千层", False),
        ("一百层", True),
        ("亿级", False),
    ],
)
def test_words_state_something_from_two_of_a_unit_or_eleven_on(text: str, states: bool) -> None:
    assert bool(found(text, {"product": "Bar"})) == states


def test_a_claims_wording_and_disclaimer_are_known() -> None:
    claim = {"id": "a", "says": ["loved by 90 sailors"], "evidence": "b", "disclaimer": "Test on 52 people."}
    asked = case({"product": "Bar"}, claims=[claim])
    texts = ("90 sailors, 52 people", "91 sailors", "53 people")
    assert [len(list(find(text, asked))) for text in texts] == [0, 1, 1]


def test_the_number_of_a_place_to_be_filled_states_nothing() -> None:
    """Whether the channel has such places is for `residue` to say."""
    assert found("Hi {{1}}, your shoes, {{ 12 }}, are ready.", {"product": "Shoes"}) == []
    assert [one.rule for one in found("Hi {{1}}, 12 shoes are ready.", {"product": "Shoes"})] == [
        "facts.number"
    ]
