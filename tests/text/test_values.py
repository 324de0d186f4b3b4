"""Whether a value is said: one answer for the guard, the metric and the ranking, and where it is said."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.brands.brand import Brief
from lora_marketing.copy.ranking import faithfulness
from lora_marketing.guards.facts import find
from lora_marketing.metrics import MeasuredText
from lora_marketing.metrics.slots import count
from lora_marketing.text.units import MONEY, UNITS, Measure
from lora_marketing.text.values import (
    apart,
    attribute_spans,
    measured,
    read,
    same,
    says,
    singular,
    spans_of,
    things_of,
)
from tests.guards.making import case
from tests.making import property_test

SAID = [
    ("0.5 l", "500 ml"),
    ("500 ml", "half full: .5 litres"),
    ("5 cl", "50 millilitres"),
    ("50 ml", "5 centilitres"),
    ("1.5 kg", "1500 克"),
    ("250 g", "0.25 kilos"),
    ("250 g", "二百五十克"),
    ("1 斤", "500 g"),
    ("2 m", "200 centimetres"),
    ("3 km", "三公里"),
    ("90 minutes", "1.5 hours"),
    ("2 h", "两小时"),
    ("two years", "24 months"),
    ("14 days", "2 weeks"),
    ("30 seconds", "half a minute is 0.5 min"),
    ("£9", "nine pounds"),
    ("£9.50", "9.5 quid"),
    ("£0.99", "99p"),
    ("£1,200", "only 1200 pounds"),
    ("£1200", "£1.2k"),
    ("568 元", "只要 ￥568"),
    ("568 元", "好价，568 块钱"),
    ("1280 元", "一千二百八十元"),
    ("10%", "九折"),
    ("50%", "Half price"),
    ("20 percent", "百分之二十"),
    ("2026-11-30", "by 30 November"),
    ("9pm", "21:00"),
    ("25", "twenty-five"),
    ("3", "in three colours: 3 kg"),
    ("10℃", "10 degrees"),
    ("2700 K", "a 2700K lamp"),
    ("5 in 1", "a 5-in-1 tool"),
    ("12 升", "十二升"),
    ("５００ 毫升", "500 ml"),
]
NOT_SAID = [
    ("0.5 l", "50 ml"),
    ("5 cl", "500 ml"),
    ("1.5 kg", "150 g"),
    ("£9", "£90"),
    ("£9", "$9"),
    ("£0.99", "£99"),
    ("250 g", "250 ml"),
    ("12 升", "2 升"),
    ("2 m", "2 minutes"),
    ("10%", "一折"),
    ("9pm", "9am"),
    ("2026-11-30", "by 3 November"),
    ("25", "205"),
    ("1200 ml", "1,2000 ml"),
    ("100 ml", "100.5 ml"),
]


def asked_of_all(value: str, text: str) -> set[bool]:
    """What the guard, the metric and the ranking answer."""
    brief = {"product": "Bar", "attributes": {"x": value}}
    (counted,) = count([MeasuredText(text, Brief(**brief, channel="sms", field="text"), "ember", "en")])
    guarded = not [one for one in find(text, case(brief)) if one.rule in ("facts.price", "facts.number")]
    return {
        guarded,
        counted["slot_coverage"] == (1.0, 1.0),
        faithfulness(text, Brief(**brief, channel="sms", field="text")) == 1,
    }


@pytest.mark.parametrize(("value", "text"), SAID)
def test_guard_metric_and_ranking_agree_on_what_is_said(value: str, text: str) -> None:
    assert asked_of_all(value, text) == {True}


@pytest.mark.parametrize(("value", "text"), NOT_SAID)
def test_guard_metric_and_ranking_agree_on_what_is_not_said(value: str, text: str) -> None:
    assert asked_of_all(value, text) == {False}


FACTORS = {
    ("g", "mg 毫克 milligrams"): "0.001",
    ("g", "g 克 grams"): "1",
    ("g", "斤"): "500",
    ("g", "kg 千克 公斤 kilos"): "1000",
    ("ml", "ml 毫升 milliliters"): "1",
    ("ml", "cl centilitres centiliter"): "10",
    ("ml", "l litres liter 升"): "1000",
    ("mm", "mm 毫米"): "1",
    ("mm", "cm 厘米 公分"): "10",
    ("mm", "m 米 metres"): "1000",
    ("mm", "km 公里 kilometers"): "1000000",
    ("mm", "in inches 英寸"): "25.4",
    ("mm", "ft feet 英尺"): "304.8",
    ("mm", "yd yards"): "914.4",
    ("mm", "mi miles 英里"): "1609344",
    ("g", "oz ounces 盎司"): "28.349523125",
    ("g", "lb lbs 磅"): "453.59237",
    ("g", "tonnes 吨"): "1000000",
    ("ml", "gal gallons"): "3785.411784",
    ("sqm", "hectares 公顷"): "10000",
    ("sqm", "acres 英亩"): "4046.8564224",
    ("ml", "fl_oz fluid_ounces"): "29.5735295625",
    ("s", "ms milliseconds 毫秒"): "0.001",
    ("degf", "°F fahrenheit 华氏度"): "1",
    ("w", "kW kilowatts"): "1000",
    ("wh", "Wh"): "1",
    ("wh", "kWh"): "1000",
    ("v", "volts 伏"): "1",
    ("mah", "Ah 安时"): "1000",
    ("hz", "Hz hertz 赫兹"): "1",
    ("hz", "kHz"): "1000",
    ("hz", "MHz"): "1000000",
    ("hz", "GHz"): "1000000000",
    ("byte", "KB"): "1000",
    ("byte", "MB megabytes"): "1000000",
    ("byte", "GB gigabytes"): "1000000000",
    ("byte", "TB"): "1000000000000",
    ("bit/s", "Mbps"): "1",
    ("bit/s", "Gbps"): "1000",
    ("km/h", "km/h kph"): "1",
    ("km/h", "mph"): "1.609344",
    ("kcal", "kcal 大卡"): "1",
    ("kj", "kJ"): "1",
    ("mp", "MP megapixels"): "1",
    ("lm", "lm lumens 流明"): "1",
    ("db", "dB decibels 分贝"): "1",
    ("sqm", "m2 平方米"): "1",
    ("sqm", "square_feet"): "0.09290304",
    ("s", "s secs 秒 秒钟"): "1",
    ("s", "min minutes 分钟"): "60",
    ("s", "h hours 小时 个小时"): "3600",
    ("s", "days 天 工作日 日"): "86400",
    ("s", "weeks 周 个星期"): "604800",
    ("month", "months 个月 月"): "1",
    ("month", "years 年 yrs"): "12",
    ("deg", "° °C degrees 度 摄氏度 ℃"): "1",
    ("w", "w watts 瓦"): "1",
    ("mah", "mAh 毫安时 毫安"): "1",
}
"""What a unit is worth, written down a second time, for some of its names."""


@pytest.mark.parametrize(("base", "names"), FACTORS)
def test_every_unit_is_worth_what_it_is_worth(base: str, names: str) -> None:
    """Three of it are three times its factor in the base unit, both ways, and not the factor beside it."""
    own = {
        "mm": "毫米",
        "month": "个月",
        "deg": "度",
        "s": "秒",
        "degf": "°F",
        "byte": "KB",
        "bit/s": "Mbps",
    }.get(base, base)
    factor = float(FACTORS[base, names]) / (1000 if base == "byte" else 1)
    for name in (name.replace("_", " ") for name in names.split(" ")):
        here, there = f"3 {name}", f"{3 * factor:.10g} {own}"
        assert says(here, there), (here, there)
        assert says(there, here), (there, here)
        assert not says(f"{30 * factor:.10g} {own}", here)
        assert not says(f"{0.3 * factor:.10g} {own}", here)


def test_the_second_table_has_every_unit() -> None:
    factors = {(unit.base, f"{unit.factor.normalize():f}") for unit in UNITS}
    assert len(factors) == len(UNITS) == len(FACTORS)
    assert factors == {(base, factor) for (base, _), factor in FACTORS.items()}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.names[0])
def test_every_name_of_a_unit_says_the_same(unit: Measure) -> None:
    for name in unit.names:
        assert says(f"about 7 {name}.", f"7 {unit.names[0]}"), name
        assert not says(f"about 8 {name}.", f"7 {unit.names[0]}"), name


@pytest.mark.parametrize("currency", MONEY)
def test_every_name_of_a_currency_says_the_same(currency: str) -> None:
    sign, *names = MONEY[currency]
    for name in names:
        written = f"only 70{name}" if name in ("p", "pence") else f"only 70 {name}"
        worth = "0.70" if name in ("p", "pence") else "70"
        assert says(written, f"{sign}{worth}"), name
        assert not says(written, f"{sign}71"), name
    others = {other[0] for other in MONEY.values()} - {sign}
    assert [other for other in others if says(f"{sign}70", f"{other}70")] == []


@pytest.mark.parametrize(
    ("value", "text", "said"),
    [
        ("cocoa, molasses", "Cocoa, then molasses.", True),
        ("cocoa, molasses", "Cocoa.", False),
        ("cocoa and dark plums", "A dark plum. Cocoa!", True),
        ("gift box", "in gift boxes", True),
        ("cherry", "cherries", True),
        ("glass", "glasses", True),
        ("dark", "darkness", False),
        ("family-friendly", "Family friendly food", True),
        ("wholeBean", "whole bean", True),
        ("iPhone 15", "IPHONE 15", True),
        ("X5", "X5.5", False),
        ("A4", "an A4 sheet", True),
        ("卷边 3 圈", "卷边三圈", True),
        ("轻", "重", False),
        ("天然", "100%天然", True),
        ("升级", "3升级", True),
        ("棉 和 麻", "麻与棉", True),
        ("crème brûlée", "Creme Brulee", True),
        ("防水", "防 水", True),
        ("臺灣", "台湾", True),
        ("—", "—", False),
        ("", "anything", False),
        ("2026/11/30", "30 Nov", True),
        ("£20-25", "between £20 and £25", False),
    ],
)
def test_what_says_a_value(value: str, text: str, said: bool) -> None:
    assert says(text, value) == said


@pytest.mark.parametrize(
    ("name", "value", "text", "said"),
    [
        ("familyFriendly", "yes", "Family friendly.", True),
        ("familyFriendly", "no", "Family friendly.", False),
        ("familyFriendly", "No", "It is not very family friendly.", True),
        ("familyFriendly", "no", "It is not at all so family friendly.", False),
        ("familyFriendly", "yes", "Dull? No. Family-friendly.", True),
        ("waterproof", "true", "Isn't it waterproof", False),
        ("waterproof", "false", "Isn't it waterproof", True),
        ("waterproof", "yes", "Not here:\nwaterproof", True),
        ("防水", "是", "无需防水", False),
        ("防水", "否", "无需防水", True),
        ("防水", "有", "没什么！防水", True),
        ("roast", "dark", "not dark", True),
    ],
)
def test_yes_and_no_are_said_by_the_name(name: str, value: str, text: str, said: bool) -> None:
    assert bool(attribute_spans(name, value, text)) == said


def test_spans_are_characters_of_the_text_as_it_was_given() -> None:
    text = "Ｔｈｒｅｅ bags, 1\u200b20 g, dark-\nroast; 120 grams."
    ((*both,),) = spans_of("120 g", text)
    assert [text[slice(*span)] for span in both] == ["1\u200b20 g", "120 grams"]
    ((first,), (second,)) = spans_of("dark roast, 3 bags", text)
    assert (text[slice(*first)], text[slice(*second)]) == ("dark-\nroast", "Ｔｈｒｅｅ bags")


def test_a_wording_says_its_value_and_is_counted_with_it() -> None:
    wordings = {"roast": {"dark": ["black as coal, or nearly"]}}
    text = "Dark. Black as coal, or nearly."
    assert attribute_spans("roast", "dark", text, wordings) == [[(0, 4), (6, 30)]]
    assert attribute_spans("roast", "dark", text[5:], wordings) == [[(1, 25)]]
    assert attribute_spans("roast", "light", text, wordings) == []
    flags = {"pets": {"yes": ["bring the dog"], "no": ["no dogs"]}}
    assert attribute_spans("pets", "yes", "Bring the dog. No dogs.", flags) == [[(0, 13)]]
    assert attribute_spans("pets", "no", "Bring the dog. No dogs.", flags) == [[(15, 22)]]


def test_what_is_denied_is_not_affirmed_there() -> None:
    flags = {"pets": {"no": ["no pets"]}}
    assert attribute_spans("pets", "yes", "No pets here. Pets, welcome!", flags) == [[(14, 18)]]
    assert attribute_spans("pets", "yes", "Pets.", {"pets": {"no": ["pets"]}}) == []


def test_a_list_is_parted_at_its_commas_but_not_inside_a_quantity() -> None:
    def things(value: str) -> list[str]:
        return [" ".join(token.word or token.quantity.kind for token in thing) for thing in things_of(value)]  # type: ignore[union-attr]

    assert things("buy 2, get 1 free tea") == ["offer tea"]
    assert things("tea, buy 2, get 1 free; 1,200 g") == ["tea", "offer", "g"]
    assert things("棉、麻") == ["棉", "麻"]
    assert things("和, and,tea") == ["tea"]
    assert things("") == []


def test_places_do_not_overlap() -> None:
    assert spans_of("go go", "go go go go go") == [[(0, 5), (6, 11)]]
    assert spans_of("3 3", "3, 3, 3, 3, 3") == [[(0, 4), (6, 10)]]
    assert apart([(4, 6), (0, 3), (0, 5), (5, 6)]) == [(0, 5), (5, 6)]


def test_values_are_the_same_in_any_spelling() -> None:
    assert same("0.5 l, cocoa", "500 ml and Cocoa")
    assert not same("0.5 l", "500 ml, cocoa")
    assert not same("dark", "light")
    assert not same("3", "3 kg")


def test_numbers_of_the_facts_are_known_with_their_unit_or_the_word_behind() -> None:
    facts = ["Every bag costs £12 and makes 30 cups."]
    text = "Pay 12 pounds for 30 cups, not 30 bags in 12 days."
    assert [text[slice(*span)] for span in measured(text, facts)] == ["12 pounds", "30 cups"]


@pytest.mark.parametrize(
    ("word", "one"),
    [
        ("bags", "bag"),
        ("boxes", "box"),
        ("dishes", "dish"),
        ("glass", "glass"),
        ("cherries", "cherry"),
        ("gas", "gas"),
        ("gaps", "gap"),
        ("houses", "hous"),
        ("beans", "bean"),
    ],
)
def test_plurals(word: str, one: str) -> None:
    assert singular(word) == one


@property_test
@given(
    st.lists(
        st.sampled_from(
            ["Not dark", " £1,200", "12 g", ". ", ": ", "。", "一", "不", "St", "3.50", "%", "\n"]
        )
    )
)
def test_every_text_says_itself(pieces: list[str]) -> None:
    """What is read of a text stands in it, in order, and none inside another."""
    text = "".join(pieces)
    seen = read(text)
    for tokens in (seen.words, seen.tokens):
        spans = [token.span for token in tokens]
        assert all(start < end for start, end in spans)
        assert all(token.word or token.quantity for token in tokens)
        assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert not any(token.quantity for token in seen.words)
    assert not seen.tokens or seen.find(seen.tokens)


@property_test
@given(st.text(), st.text(), st.text())
def test_words_are_found_wherever_they_stand(before: str, value: str, after: str) -> None:
    words = read(value).words
    text = f"{before}\n{value}\n{after}"
    assert not words or any(token.quantity for token in read(value).tokens) or read(text).find(words)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "piece", ["1 ", "一", "9,", "one ", "£", "不 ", "a'", "n't", "30 May ", "12:30 ", "half price "]
)
def test_a_text_is_read_in_time_that_grows_with_it(piece: str) -> None:
    """Forty times the text takes about forty times as long, not 1600 times."""

    def seconds(text: str) -> float:
        started = time.process_time()
        read.__wrapped__(text)
        return time.process_time() - started

    short, long = piece * 300, piece * 12_000
    assert seconds(long) < 400 * min(seconds(short) for _ in range(9))
