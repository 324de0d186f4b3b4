from __future__ import annotations

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.channels import Unit
from lora_marketing.channels.counting import COUNTERS, count, sms_segments
from tests.making import property_test

UNITS: tuple[Unit, ...] = typing.get_args(Unit)
FAMILY = "👨\u200d👩\u200d👧"
TEXTS = st.text(
    st.sampled_from("aé e\u0301.,/:1山，가か\u3099ﾊﾞ€^[🎉👍🏽🇨\u200d\ufe0f©#°") | st.characters(codec="utf-8"),
    max_size=40,
)


def test_every_unit_is_counted() -> None:
    assert set(COUNTERS) == set(UNITS)


@pytest.mark.parametrize(
    ("unit", "text", "length"),
    [
        ("char", "Café 山🎉", 7),
        ("byte", "Café 山", 9),
        ("byte", "🎉", 4),
        ("byte_gbk", "新品 tea", 8),
        ("byte_gbk", "，€", 4),
        ("byte_gbk", "🎉", 4),
        ("width2", "Tea 茶，", 8),
        ("width2", "ＡA한ｱあ", 8),
        ("gads_width", "Kaffee für 3 €", 14),
        ("gads_width", "コーヒー", 8),
        ("gads_width", "Buy {KeyWord:Fresh Bread} Now", 19),
        ("gads_width", "{keyword:茶} {CUSTOMIZER.Price:£6} in {LOCATION(City):Leeds}", 14),
        ("gads_width", "Ends in {COUNTDOWN(2026-12-01 09:00:00,5)}", 16),
        ("gads_width", "{=IF(device=mobile,Call now):Order}", 8),
        ("gads_width", "{KeyWord:Fresh Bread", 20),
        ("baidu_width", "“新品”……——", 16),
        ("yandex", "Soap, bars: 90 g!", 14),
        ("yandex", "a" * 81 + "!" * 15, 81),
        ("yandex", "a" * 81 + "!" * 16, 82),
        ("half_width", "新品茶", 3),
        ("half_width", "茶ab", 2),
        ("half_width", "茶abc", 3),
        ("xhs", "你好世界", 4),
        ("xhs", "hello", 3),
        ("xhs", "OOTD穿搭分享", 6),
        ("xhs", "✨新品", 3),
        ("xhs", "🎉", 2),
        ("ucs2", "茶🎉", 3),
        ("gsm7", "Hi @£ ñ", 7),
        ("gsm7", "5 € [x]", 10),
        ("gsm7", "x" * 160, 160),
        ("gsm7", "茶" * 70, 160),
        ("gsm7", "茶" * 71, 163),
        ("gsm7", "it’s " + "x" * 65, 160),
        ("gsm7", "it’s " + "x" * 66, 163),
        ("x_weight", "plain", 5),
        ("x_weight", "山里", 4),
        ("x_weight", "“Quote” – it’s", 14),
        ("x_weight", "wait…", 6),
        ("x_weight", "cafe\u0301", 4),
        ("x_weight", "🎉", 2),
        ("x_weight", FAMILY, 2),
        ("x_weight", "👍🏽🇨🇳1️⃣☀️", 8),
        ("x_weight", "© ®", 3),
        ("x_weight", "see https://example.com/a/very/long/path?with=query, now", 32),
        ("x_weight", "see http://x.co.", 28),
        ("x_weight", "tidal.com or www.tidal.co.uk/soap!", 51),
        ("x_weight", "山里example.com中国", 31),
        ("x_weight", "(https://example.com/a_(b)_c)", 25),
        ("x_weight", "hi@tidal.com", 12),
        ("x_weight", "e.g. 3.5 oz, a.m.", 17),
        ("x_weight", "http://bücher.de/ü", 23),
    ],
)
def test_what_the_platforms_say(unit: Unit, text: str, length: int) -> None:
    assert count(text, unit) == length


@pytest.mark.parametrize("unit", UNITS)
def test_nothing_is_zero_long(unit: Unit) -> None:
    assert count("", unit) == 0


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit not in ("x_weight", "gads_width")])
@property_test
@given(text=TEXTS, more=TEXTS)
def test_more_text_never_counts_less(unit: Unit, text: str, more: str) -> None:
    assert count(text + more, unit) >= max(count(text, unit), count(more, unit))


@property_test
@given(TEXTS)
def test_units_agree_where_they_say_the_same(text: str) -> None:
    assert len(text) <= count(text, "width2") <= 2 * len(text)
    assert count(text, "half_width") == (count(text, "width2") + 1) // 2
    assert count(text, "byte_gbk") >= len(text)
    assert (count(text, "gsm7") <= 160) or count(text, "ucs2") > 70
    plain = "".join(letter for letter in text if letter.isascii() and letter.isalnum())
    assert {count(plain, unit) for unit in UNITS} <= {len(plain), (len(plain) + 1) // 2}


@property_test
@given(
    st.text(
        st.characters(max_codepoint=0x2BFF, categories=["L", "N", "P", "Zs"], exclude_characters="."),
        max_size=30,
    )
)
def test_x_weighs_texts_without_urls_letter_by_letter(text: str) -> None:
    letters = [count(letter, "x_weight") for letter in text]
    assert count(text, "x_weight") <= sum(letters)
    assert set(letters) <= {1, 2, 3, 4, 6}


def test_a_url_is_one_only_when_it_is_whole() -> None:
    """The one unit in which more text can count less."""
    long = "https://tidal.example/" + "a" * 40
    assert count(long, "x_weight") == len(long)
    assert count(long.replace("example/", "example.com/"), "x_weight") == 23
    assert count("👩\u200d", "x_weight") == 3 > count("👩\u200d👩", "x_weight")


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 0),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("x" * 152 + "€" + "x" * 152, 3),
        ("x" * 151 + "€" + "x" * 153, 2),
        ("茶" * 70, 1),
        ("茶" * 71, 2),
        ("茶" * 134, 2),
        ("茶" * 135, 3),
        ("🎉" * 35, 1),
        ("🎉" * 66, 2),
        ("🎉" * 67, 3),
    ],
)
def test_how_many_messages_a_text_takes(text: str, segments: int) -> None:
    """160 septets or 70 units in one, 153 or 67 in each of several, and no character torn."""
    assert sms_segments(text) == segments
