from __future__ import annotations

import json
from pathlib import Path

import pytest

import lora_marketing.channels
from lora_marketing.channels import channel_names, load_channel, load_limit
from lora_marketing.common.errors import UnknownName

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
    for channel, field, least, most, unit, count, recommended in rows:
        if (channel, field) in NO_COPY:
            continue
        limit = load_limit(*NAMED_OTHERWISE.get((channel, field), (channel, field)))
        assert (limit.min, limit.max, limit.unit, limit.recommended) == (least, most, unit, recommended)
        assert [limit.count_min, limit.count_max] == (count or [None, None]), (channel, field)


def test_a_chinese_character_takes_three_bytes() -> None:
    assert load_limit("amazon_listing", "search_terms").characters("zh") == 83
