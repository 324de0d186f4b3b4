"""How guards read: what looks the same reads the same, and every letter keeps its place."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.guards.claims import find
from lora_marketing.text.normalise import undisguised, view, whole_word
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
        ("苹果、香蕉，梨", "苹果、香蕉,梨"),
        ("北京-上海/广州", "北京-上海/广州"),
    ],
)
def test_chinese_is_read_simplified_and_in_one(text: str, read: str) -> None:
    assert undisguised(text).text == read


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


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("pr1ce", "price"),
        ("$ave n0w", "$ave now"),
        ("top1 n0 4ever", "top1 no 4ever"),
        ("m1ne 13 a1a", "mine 13 aia"),
        ("c4fe!", "cafe!"),
    ],
)
def test_digits_between_letters_are_letters(text: str, read: str) -> None:
    assert undisguised(text).text == read


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
