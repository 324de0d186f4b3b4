from __future__ import annotations

import json
from pathlib import Path

import pytest

import lora_marketing.channels
from lora_marketing.channels import channel_names, load_channel, load_limit
from lora_marketing.channels.counting import count
from lora_marketing.channels.structure import counts
from lora_marketing.common.errors import UnknownName
from lora_marketing.guards import findings
from tests.guards.making import case

NAMES = channel_names()


def test_every_data_file_is_a_channel() -> None:
    folder = Path(lora_marketing.channels.__file__).parent
    assert sorted(path.stem for path in folder.glob("*.yaml")) == list(NAMES)
    assert len(NAMES) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_a_channel_says_its_limits_and_where_they_are_from(name: str) -> None:
    channel = load_channel(name)
    assert channel.title
    assert channel.fields
    for field, limit in channel.fields.items():
        assert load_limit(name, field) is limit
        assert limit.source, field
        assert limit.source_date, field
        assert limit.max or limit.recommended, field
        assert limit.min <= (limit.max or limit.min), field
        assert (limit.recommended or 0) <= (limit.max or 10_000), field
        assert (limit.count_min or 0) <= (limit.count_max or 100), field


def test_titles_are_told_apart() -> None:
    assert len({load_channel(name).title for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize(
    ("channel", "field", "told"),
    [
        ("metafeed", "headline", 'unknown channel "metafeed"\n    allowed: did you mean "meta_feed"?'),
        ("", "headline", 'unknown channel ""'),
        ("../brand", "headline", "unknown channel"),
        ("sms", "txt", 'channel sms has no field "txt"\n    allowed: did you mean "text"?'),
        ("sms", "", 'channel sms has no field ""\n    allowed: one of text, text_ucs2'),
    ],
)
def test_unknown_names(channel: str, field: str, told: str) -> None:
    with pytest.raises(UnknownName) as caught:
        load_limit(channel, field)
    assert told in str(caught.value)


NAMED_OTHERWISE = {
    ("sms", "gsm7_single"): ("sms", "text"),
    ("sms", "ucs2_single"): ("sms", "text_ucs2"),
    ("wechat_moments_310", "text"): ("wechat_moments", "text"),
}
NO_COPY = {("google_ads_api_text_guidelines", "term_exclusion")}
"""A list of terms that Google's own texts leave out: not published."""


def test_channels_have_every_limit_that_was_collected() -> None:
    """collected.json: channel, field, min, max, unit, count, recommended, as of November 2026."""
    rows = json.loads((Path(__file__).parent / "collected.json").read_text())
    assert len(rows) == 54
    for channel, field, least, most, unit, number, recommended in rows:
        if (channel, field) in NO_COPY:
            continue
        limit = load_limit(*NAMED_OTHERWISE.get((channel, field), (channel, field)))
        assert (limit.min, limit.max, limit.unit, limit.recommended) == (least, most, unit, recommended)
        assert [limit.count_min, limit.count_max] == (number or [None, None]), (channel, field)


CORRECTED = [
    ("apple_app_store", "keywords", 100, "char"),
    ("apple_app_store", "whats_new", 4000, "char"),
    ("amazon_listing", "search_terms", 249, "byte"),
    ("baidu_search", "title", 50, "baidu_width"),
    ("yandex_direct", "second_title", 30, "yandex"),
    ("yandex_direct", "text", 81, "yandex"),
    ("google_demand_gen", "business_name", 25, "gads_width"),
    ("google_merchant", "description", 5000, "char"),
    ("whatsapp_template", "button", 25, "char"),
]


@pytest.mark.parametrize(("channel", "field", "most", "unit"), CORRECTED)
def test_values_that_were_wrong_or_missing(channel: str, field: str, most: int, unit: str) -> None:
    limit = load_limit(channel, field)
    assert (limit.max, limit.unit) == (most, unit)


def test_thai_keywords_and_a_required_name() -> None:
    assert count("สบู่" * 25, load_limit("apple_app_store", "keywords").unit) == 100
    assert counts(load_limit("google_demand_gen", "business_name")) == (1, 1)


def test_what_no_page_of_the_platform_says_is_unconfirmed() -> None:
    for name in ("amazon_listing", "baidu_search", "google_rsa", "microsoft_multimedia", "xiaohongshu_note"):
        assert all("unconfirmed" in limit.unconfirmed for limit in load_channel(name).fields.values())
    assert not any(limit.unconfirmed for limit in load_channel("google_play").fields.values())
    asked = case({"channel": "baidu_search", "field": "title"})
    (long,) = findings("皂" * 26, asked, ["length"])
    assert "unconfirmed" in long.message


@pytest.mark.parametrize(
    ("channel", "field", "broken", "plain"),
    [
        ("tiktok_infeed", "ad_text", "Floats 🛁", "Floats ©"),
        ("tiktok_infeed", "ad_text", "Floats #bath", "Floats no. 1"),
        ("tiktok_infeed", "ad_text", "Floats {now}", "Floats (now)"),
        ("google_rsa", "headline", "It floats!!!", "It floats!"),
        ("google_rsa", "headline", "SOAP THAT FLOATS", "Soap by IKEA for NASA, USB"),
        ("google_pmax", "long_headline", "The F.R.E.E. soap", "The U.K. soap"),
        ("amazon_listing", "title", "Soap bar for $6", "Soap bar, 90 g"),
        ("amazon_listing", "title", "Soap bar, soap, SOAP", "Bar of soap of the sea of soap of all"),
        ("google_play", "title", "Best Soap", "Bestiary"),
        ("google_play", "title", "Soap - #1", "Soap 21"),
        ("google_play", "title", "Free Soap", "Freedom Soap"),
        ("yandex_direct", "text", "a" * 24, "a" * 23),
        ("yandex_direct", "title", "a" * 23, "a" * 22),
    ],
)
def test_what_a_platform_refuses(channel: str, field: str, broken: str, plain: str) -> None:
    asked = case({"channel": channel, "field": field})
    found = findings(broken, asked, ["platform"])
    assert found
    assert all(one.severity == "fix" and one.span for one in found)
    assert findings(plain, asked, ["platform"]) == []


def test_a_chinese_character_takes_three_bytes() -> None:
    assert load_limit("amazon_listing", "search_terms").characters("zh") == 83
