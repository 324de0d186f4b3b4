"""Quantities: what each spelling is worth, where it stands, and what is none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.text.normalise import view
from lora_marketing.text.quantities import quantities
from lora_marketing.text.regions import region_of
from tests.making import property_test


def read(text: str) -> list[tuple[str, str, str]]:
    """Kind, value and what was read, for each quantity."""
    seen = view(text)
    return [(one.kind, f"{one.value:f}", seen.text[one.start : one.end]) for one in quantities(seen)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("7", "", "7"),
        ("1,200.50", "", "1200.5"),
        (".5 l", "ml", "500"),
        ("5k", "", "5000"),
        ("999k", "", "999000"),
        ("1000K", "", "1000"),
        ("2700 k", "", "2700"),
        ("£2m", "gbp", "2000000"),
        ("2m", "mm", "2000"),
        ("3bn", "", "3000000000"),
        ("two hundred", "", "200"),
        ("three thousand", "", "3000"),
        ("2 million", "", "2000000"),
        ("2 billion", "", "2000000000"),
        ("zero", "", "0"),
        ("nineteen", "", "19"),
        ("ninety-nine", "", "99"),
        ("twenty one", "", "21"),
        ("二百五十", "", "250"),
        ("三百五", "", "350"),
        ("三百零五", "", "305"),
        ("一千二", "", "1200"),
        ("一万二", "", "12000"),
        ("一万零二", "", "10002"),
        ("一万两千三", "", "12300"),
        ("一亿二", "", "120000000"),
        ("二〇二六", "", "2026"),
        ("一二三", "", "123"),
        ("三点一四", "", "3.14"),
        ("万", "", "10000"),
        ("3千万", "", "30000000"),
        ("1.5万", "", "15000"),
        ("10%", "percent", "10"),
        ("10 per cent", "percent", "10"),
        ("ten percent", "percent", "10"),
        ("百分之二十五", "percent", "25"),
        ("九折", "percent", "10"),
        ("八五折", "percent", "15"),
        ("十折", "percent", "0"),
        ("11折", "percent", "89"),
        ("9.5折", "percent", "5"),
        ("half price", "percent", "50"),
        ("half off", "percent", "50"),
        ("半价", "percent", "50"),
        ("对折", "percent", "50"),
        ("buy one get one free", "offer", "101"),
        ("buy 2, get 1 free", "offer", "201"),
        ("bogof", "offer", "101"),
        ("3 for 2", "offer", "201"),
        ("买三送一", "offer", "301"),
        ("usd 5", "usd", "5"),
        ("rmb 5", "cny", "5"),
        ("99p", "gbp", "0.99"),
        ("£5p", "gbp", "5"),
        ("1080p", "", "1080"),
        ("100p", "", "100"),
        ("2026-11-30", "date", "1130"),
        ("2026年1月2日", "date", "102"),
        ("3月8号", "date", "308"),
        ("the 3rd of May", "date", "503"),
        ("22nd september 2026", "date", "922"),
        ("December 31", "date", "1231"),
        ("21:05", "time", "1265"),
        ("9.30pm", "time", "1290"),
        ("12 pm", "time", "720"),
        ("12 a.m.", "time", "0"),
        ("晚上9点", "time", "1260"),
        ("下午3点20分", "time", "920"),
        ("上午10点", "time", "600"),
        ("中午12点", "time", "720"),
        ("凌晨12点", "time", "0"),
        ("9.30%", "percent", "9.3"),
        ("9.30", "", "9.3"),
    ],
)
def test_what_it_is_worth(text: str, kind: str, value: str) -> None:
    """The whole text is one quantity, behind a word or a full-width comma too."""
    for before in ("", "just ", "好，"):
        (one,) = read(before + text)
        assert one[:2] == (kind, value), before
        assert one[2] in view(text).text


@pytest.mark.parametrize(
    ("locale", "text", "kind", "value"),
    [
        ("de", "1.299 €", "eur", "1299"),
        ("en", "1.299,00 €", "eur", "1299"),
        ("fr-FR", "1 299,00 €", "eur", "1299"),
        ("de-CH", "1'299.50 chf", "chf", "1299.5"),
        ("de", "1,5 kg", "g", "1500"),
        ("en", "1,500 kg", "g", "1500000"),
        ("de", "2.499,- €", "eur", "2499"),
        ("en-IN", "₹1,29,999", "inr", "129999"),
        ("en-IN", "₹1.3 lakh", "inr", "130000"),
        ("en-AU", "$5", "aud", "5"),
        ("en", "US$5", "usd", "5"),
        ("ja", "¥500", "jpy", "500"),
        ("zh-TW", "500元", "twd", "500"),
        ("nb", "500 kr", "nok", "500"),
        ("en-US", "two pounds", "g", "907.18474"),
        ("en-US", "eighteen pounds fifty", "gbp", "18.5"),
        ("de", "zweihundertfünfundvierzig", "", "245"),
        ("de", "elf", "", "11"),
        ("en", "two thousand five hundred and forty", "", "2540"),
        ("en", "half a dozen", "", "6"),
        ("zh", "贰佰叁拾伍元", "cny", "235"),
        ("zh", "九块九", "cny", "9.9"),
        ("zh", "仅需199", "cny", "199"),
        ("zh", "半小时", "s", "1800"),
        ("zh", "一个半小时", "s", "5400"),
        ("en", "half a litre", "ml", "500"),
        ("en", "two thirds off", "percent", "67"),
        ("en", "free next-day delivery", "free", "0"),
        ("en", "a third off", "percent", "33"),
        ("de", "ein Drittel günstiger", "percent", "33"),
        ("en", "two for the price of one", "offer", "101"),
        ("zh", "第二件五折", "percent", "50"),
        ("en-US", "3/5/2026", "date", "305"),
        ("en-GB", "3/5/2026", "date", "503"),
        ("de", "7.5.", "date", "507"),
        ("de", "Samstag, den 7. Mai", "date", "507"),
        ("de", "18.30 Uhr", "time", "1110"),
        ("en", "4.6/5", "rating", "4.6"),
        ("de", "4,6 von 5 Sternen", "rating", "4.6"),
        ("en", "since 1987", "year", "1987"),
        ("en", "020 7946 0958", "phone", "2079460958"),
        ("zh", "400-820-8820", "phone", "4008208820"),
    ],
)
def test_what_it_is_worth_depends_on_where_it_is_read(locale: str, text: str, kind: str, value: str) -> None:
    (one,) = quantities(view(f"x {text}"), region_of(locale))
    assert (one.kind, f"{one.value:f}") == (kind, value)


@pytest.mark.parametrize(
    ("said", "given", "same"),
    [
        ("5 March", "2026-03-05", True),
        ("5 March 2025", "2026-03-05", False),
        ("Sunday, March 14", "14 March 2026", False),
        ("Saturday, March 14", "14 March 2026", True),
        ("5月20日，周四", "5月20日 周三", False),
        ("+44 20 7946 0958", "020 7946 0958", True),
        ("020 7946 0985", "020 7946 0958", False),
        ("90 days", "three months", True),
        ("90 days", "six months", False),
        ("48 hours", "2 working days", True),
        ("12 inches", "30 cm", True),
        ("12 inches", "33 cm", False),
    ],
)
def test_days_phones_and_rounded_conversions(said: str, given: str, same: bool) -> None:
    (one,), (other,) = quantities(view(said)), quantities(view(given))
    assert one.says(other) == same


@pytest.mark.parametrize("text", ["v1.5", "USB3", "WX-2000", "把纸对折", "dark", "", "oneself"])
def test_what_is_no_quantity(text: str) -> None:
    assert read(text) == []


def test_an_offer_or_a_date_hides_the_numbers_in_it() -> None:
    text = "5 bags: 3 for 2, until 30 November 2026, 9am to 21:30, 7 days"
    assert [(kind, said) for kind, _, said in read(text)] == [
        ("", "5"),
        ("offer", "3 for 2"),
        ("date", "30 november 2026"),
        ("time", "9am"),
        ("time", "21:30"),
        ("s", "7 days"),
    ]


def test_what_is_no_offer_no_time_and_no_price() -> None:
    assert read("3 for 3") == [("", "3", "3"), ("", "3", "3")]
    assert read("上午10") == [("", "10", "10")]
    assert read("in dollars 5 bags") == [("", "5", "5")]
    assert read("£5 30 may") == [("gbp", "5", "£5"), ("date", "530", "30 may")]


MONTHS = "January February March April May June July August September October November December"


def test_every_month_is_read_in_full_and_in_short() -> None:
    for number, month in enumerate(MONTHS.split(" "), start=1):
        for said in (month, month[:3], month[:3] + "."):
            assert [one[:2] for one in read(f"on 7 {said} now")] == [("date", f"{100 * number + 7}")], said


@pytest.mark.parametrize(
    ("currency", "names"),
    [
        ("gbp", "£ gbp pound pounds quid 英镑"),
        ("usd", "$ usd dollar dollars buck bucks 美元"),
        ("eur", "€ eur euro euros 欧元"),
        ("cny", "¥ cny rmb yuan 元 块钱 人民币"),
    ],
)
def test_every_name_of_a_currency(currency: str, names: str) -> None:
    """Behind a number, one or many; a sign or a code before it, too."""
    for name in names.split(" "):
        for number in ("1", "70"):
            assert [one[:2] for one in read(f"{number} {name}, ")] == [(currency, number)], name
        if (len(name) == 1 and not name.isalpha()) or (name.isascii() and len(name) == 3):
            assert [one[:2] for one in read(f"{name} 7")] == [(currency, "7")], name
    assert [(one.kind, one.price) for one in quantities(view("99p, 70 pence, 5 kg"))] == [
        ("gbp", True),
        ("gbp", True),
        ("g", False),
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("只要三块", "cny"),
        ("三块", ""),
        ("十块", ""),
        ("十一块", "cny"),
        ("十一块香皂", ""),
        ("只要一块香皂", ""),
        ("只要十一块香皂", "cny"),
    ],
)
def test_a_piece_is_money_if_two_of_three_speak_for_it(text: str, kind: str) -> None:
    """A word of price before it, more than ten, and no thing behind it."""
    assert [one[0] for one in read(text)] == [kind]


@property_test
@given(st.integers(2, 99_999_999))
def test_chinese_numerals_mean_what_they_say(number: int) -> None:
    """Against an independent writer of numerals."""
    (one,) = quantities(view(f"{_in_chinese(number)}克"))
    assert (one.kind, one.value) == ("g", Decimal(number))


def _in_chinese(number: int) -> str:
    """The numeral, from groups of four digits."""
    high, low = divmod(number, 10_000)
    if high:
        zero = "零" if 0 < low < 1000 else ""
        return f"{_in_chinese(high)}万{zero}{_in_chinese(low) if low else ''}"
    written, gap = "", False
    for place, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, place)
        if digit:
            written += ("零" if gap and written else "") + "零一二三四五六七八九"[digit] + name
        gap = digit == 0
    return written
