"""How guards read: what looks the same reads the same, and every letter keeps its place."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.guards.claims import find
from lora_marketing.text.normalise import readings, view, whole_word
from tests.guards.making import case
from tests.making import property_test


@pytest.mark.parametrize(
    "text", ["\u0421ures cancer", "Cúres cancer", "cu\u0301res", "cur\ufe0fes", "c\u3164ures"]
)
def test_look_alikes_accents_and_invisible_letters_do_not_hide_a_word(text: str) -> None:
    seen = view(text)
    assert seen.text.startswith("cures")
    assert text[slice(*seen.span(0, 5))] == text.split()[0]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("國家級面霜，頂級護膚", "国家级面霜,顶级护肤"),
        ("国-家-级面霜", "国家级面霜"),
        ("国、家、级", "国家级"),
        ("国.家.级，好", "国家级,好"),
        ("全🔥国🔥第🔥一", "全国第一"),
        ("全国\n第一", "全国第一"),
        ("全国\n\n第一", "全国\n第一"),
        ("全国第①", "全国第一"),
        ("全网zui低价，蕞好", "全网最低价,最好"),
        ("guo家级", "国家级"),
        ("zui hao的面包", "最好的面包"),
        ("嘴好的选择", "最好的选择"),
        ("Our gel is\nclinically  \n proven", "our gel is clinically proven"),
        ("c.l.i.n.i.c.a.l.l.y p.r.o.v.e.n", "clinically proven"),
        ("c u r e s  c a n c e r", "cures cancer"),
        ("c🔥u🔥r🔥e🔥s", "cures"),
        ("Guarant*eed, cu_res, heal-s", "guaranteed, cures, heals"),
        ("cuuures", "cures"),
        ("pr1ce, c4fe!, n0w", "price, cafe!, now"),
        ("h3@ls", "heals"),
        ("cIinicaIIy", "clinically"),
        ("clinically🔥proven", "clinically proven"),
        ("clinically_proven", "clinically proven"),
        ("**cures** __cancer__", " cures cancer "),
        ("c🔥u🔥r🔥e🔥s 🔥 cancer", "cures cancer"),
        ('It "cures" (cancer)', "it cures cancer "),
        ("国【家】级，第 1 品牌", "国家级,第一品牌"),
        ("It is done. Now rest", "it is done. now rest"),
    ],
)
def test_a_disguise_is_read_through(text: str, read: str) -> None:
    assert read in {reading.text for reading in readings(text)}


@pytest.mark.parametrize(
    "text",
    [
        "嘴唇好看，陶醉在这里，嘴大吃四方",
        "苹果、香蕉，梨",
        "第10页，第1.5代",
        "醉好酒，喝醉好睡",
        "拼音里的zuichang和zui",
        "A5, 3D and 500 ml of oil.",
    ],
)
def test_what_is_no_disguise_is_read_as_it_stands(text: str) -> None:
    known = {"最", "第一", "国家级"}
    assert not any(word in reading.text for word in known for reading in readings(text))


def test_the_place_of_a_word_is_all_that_it_was_read_from() -> None:
    text = "买：全网 ZUI 低价！"
    reading = next(one for one in readings(text) if "最低" in one.text)
    start = reading.text.index("最低")
    assert text[slice(*reading.span(start, start + 2))].strip() == "ZUI 低"


@pytest.mark.parametrize("sign", ["½", "№", "℃", "㎏", "€", "，", "。", "ß", "〇"])
def test_signs_stay_what_they_are(sign: str) -> None:
    assert view(sign).text == normalize("NFKC", sign).casefold()


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("\u0421ures arthritis", "en-GB"),
        ("Cúres arthritis", "en-GB"),
        ("國家級面霜", "zh-CN"),
        ("穩賺不賠", "zh-CN"),
        ("国/家/级面霜", "zh-CN"),
    ],
)
def test_a_claim_is_found_however_it_is_spelled(text: str, locale: str) -> None:
    assert {one.severity for one in find(text, case(locale=locale))} == {"block"}


@property_test
@given(st.text())
def test_every_letter_has_its_place(text: str) -> None:
    seen = view(text)
    for at, letter in enumerate(seen.text):
        start, end = seen.span(at, at + 1)
        assert 0 <= start < end <= len(text)
        assert letter in view(text[start:end]).text
    for reading in readings(text):
        spans = [reading.span(at, at + 1) for at in range(len(reading.text))]
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert spans == sorted(spans)


@pytest.mark.parametrize(
    ("text", "word", "whole"),
    [
        ("red", "red", True),
        ("infrared", "red", False),
        ("redder", "red", False),
        ("a red one", "red", True),
        ("red_1", "red", False),
        ("铜red铜", "red", True),
        ("红色的", "红色", True),
    ],
)
def test_a_whole_word_goes_on_on_neither_side(text: str, word: str, whole: bool) -> None:
    start = text.index(word)
    assert whole_word(text, start, start + len(word)) == whole
