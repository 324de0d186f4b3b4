"""Whole ads as JSON: their schema, what is read, and where every piece stands."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator, meta

from lora_marketing.brands.brand import Brief
from lora_marketing.channels import channel_names, load_channel
from lora_marketing.channels.structure import (
    AD,
    ad_fields,
    ad_schema,
    counts,
    has_ads,
    pieces,
    read_ad,
    require_field,
    write_ad,
)
from lora_marketing.common.errors import DataError, UnknownName
from tests.making import property_test

RSA = Brief(product="Bar", channel="google_rsa", field=AD)
GOOD = {"headline": ["One", "Two", "三"], "description": ["Four", 'Fi"ve\\ é\n']}
WITH_ADS = [name for name in channel_names() if has_ads(load_channel(name))]


def test_which_channels_have_ads() -> None:
    assert {"google_rsa", "google_pmax", "microsoft_rsa", "google_demand_gen"} <= set(WITH_ADS)
    require_field("google_rsa", AD)
    require_field("sms", "text")
    for channel, field in (("sms", AD), ("sms", "ads"), ("smss", AD)):
        with pytest.raises(UnknownName):
            require_field(channel, field)


@pytest.mark.parametrize("name", WITH_ADS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_follows_the_schema_is_read(name: str, language: str) -> None:
    schema = ad_schema(name, language)
    meta.validate(schema)
    for end in (0, 1):
        ad = {field: ["x" * max(1, one.min)] * counts(one)[end] for field, one in ad_fields(name).items()}
        Draft202012Validator(schema).validate(ad)
        assert read_ad(write_ad(ad), name) == {field: tuple(texts) for field, texts in ad.items() if texts}


def test_the_schema_knows_how_long_a_piece_may_be() -> None:
    def longest(language: str, spare: int = 0) -> int:
        return int(ad_schema("google_rsa", language, spare)["properties"]["headline"]["items"]["maxLength"])

    assert (longest("en"), longest("zh"), longest("en", 1)) == (30, 15, 31)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not JSON"),
        ("[]", "an ad is an object"),
        ('{"headline": "One"}', "an ad is an object"),
        ('{"headline": [1]}', "an ad is an object"),
        ('{"headline": ["\\ud800"]}', "an ad is an object"),
        (json.dumps({**GOOD, "headlin": ["x"]}), 'did you mean "headline"'),
        (json.dumps({"headline": GOOD["headline"]}), "number of description pieces"),
        (json.dumps({**GOOD, "headline": ["x"] * 16}), "allowed: 3 to 15"),
        (json.dumps(GOOD)[:-1] + ', "path": [], "path": []}', "stands twice"),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        read_ad(text, "google_rsa")
    assert told in str(caught.value)


@property_test
@given(
    st.dictionaries(
        st.sampled_from(["headline", "description", "path"]),
        st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=3),
    ),
    st.booleans(),
    st.sampled_from([None, 2]),
    st.data(),
)
def test_pieces_stand_where_they_say(
    ad: dict[str, list[str]], escaped: bool, indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps(ad, ensure_ascii=escaped, indent=indent)
    found = pieces(text, RSA)
    assert [(piece.field, piece.number, piece.text) for piece in found] == [
        (field, number, one) for field, texts in ad.items() for number, one in enumerate(texts)
    ]
    for piece in found:
        assert json.loads(f'"{text[slice(*piece.span())]}"') == piece.text
        start = data.draw(st.integers(0, len(piece.text)))
        end = data.draw(st.integers(start, len(piece.text)))
        assert json.loads(f'"{text[slice(*piece.span((start, end)))]}"') == piece.text[start:end]


def test_a_plain_text_is_one_piece_and_a_broken_ad_none() -> None:
    (piece,) = pieces('{"a": 1}', Brief(product="Bar", channel="sms", field="text"))
    assert (piece.field, piece.text, piece.span((2, 3))) == ("text", '{"a": 1}', (2, 3))
    assert pieces('{"a": 1}', RSA) == pieces("{", RSA) == []
