"""What templates, encodings, web pages and the model itself leave in a text."""

from __future__ import annotations

import time

import pytest

from lora_marketing.guards import findings
from tests.guards.making import case

EMAIL = {"channel": "email", "field": "subject"}


def rules(text: str, channel: str = "email", field: str = "subject") -> set[str]:
    found = findings(text, case({"channel": channel, "field": field}), ["residue"])
    assert all(one.span and 0 <= one.span[0] < one.span[1] <= len(text) for one in found)
    return {one.rule.partition(".")[2] for one in found}


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Dear [Customer Name], your soap is here", "slot"),
        ("See [insert link here] for more", "slot"),
        ("Hi {first_name}, try {product}", "slot"),
        ("Only $XX until Sunday", "slot"),
        ("你好，【插入链接】", "slot"),
        ("Hi {{1}}, your soap is here", "slot"),
        ("Hi *|FNAME|*", "slot"),
        ("CafÃ© soap, itâ€™s here", "encoding"),
        ("锟斤拷香皂", "encoding"),
        ("A bar of soap � for the bath", "encoding"),
        ("Soap &amp; water", "entity"),
        ("5&nbsp;bars, 6 &#8364;", "entity"),
        ("It floats.<br>Really.", "markup"),
        (r"It floats.\nReally. Don\'t wait", "markup"),
        ("It floats.\nReally.", "line_break"),
        ("Lorem ipsum dolor sit amet", "filler"),
        ("TODO: a headline", "filler"),
        ("As an AI, I have no bath", "model"),
        ("Sure! Here's a headline: It floats", "model"),
        ("作为一个AI语言模型，我不能洗澡", "model"),
    ],
)
def test_residue(text: str, rule: str) -> None:
    assert rules(text, "x_post" if "*|" in text else "email") == {rule}


@pytest.mark.parametrize(
    "text",
    [
        "Rock & Roll; R&D; AT&T",
        "Bars [90 g] from £6, 5 % <3",
        "Ask an AI company, or as an AI-powered kettle would",
        "Café, naïve, Ångström, L’Oréal “soap” — 100 €",
        "简体“中文”——不含【新品】香皂（产品）",
        "Sure to float. Here is a soap.",
        "See [the shop](https://a.example)",
        "undefined by trends",
    ],
)
def test_plain_words(text: str) -> None:
    assert rules(text) == set()


def test_a_platform_fills_in_its_own_syntax_alone() -> None:
    keyword = "Buy {KeyWord:Fresh Bread} Now"
    assert rules(keyword, "google_rsa", "headline") == set()
    assert rules("Hi {{1}}, {{order_id}}", "whatsapp_template", "body") == set()
    assert rules("Hi *|FNAME|*") == set()
    asked = case({"channel": "google_rsa", "field": "headline"})
    (one,) = findings("Hi {{1}}", asked, ["residue", "injection"])
    assert "WhatsApp templates" in one.message
    assert rules(keyword, "meta_feed", "headline") == {"slot"}
    whatsapp = case({"channel": "whatsapp_template", "field": "body"})
    assert findings("Hi {{1}}, your shoes are ready.", whatsapp, ["residue", "injection"]) == []


def test_some_fields_have_several_lines() -> None:
    text = "It floats.\nReally."
    assert rules(text, "meta_feed", "primary_text") == set()
    assert rules(text, "google_rsa", "headline") == {"line_break"}


def test_what_was_meant_is_suggested() -> None:
    (one,) = findings("CafÃ© soap", case(EMAIL), ["residue"])
    assert one.suggestion == "Café soap"


@pytest.mark.parametrize(
    "piece", ["<b ", "[a", "{{a", "&a", "Ã©", "国€", "$X", "\n ", "%(", "锟", "_", "as an "]
)
def test_time_grows_with_the_text(piece: str) -> None:
    text = piece * (40_000 // len(piece))
    start = time.process_time()
    findings(text, case(EMAIL), ["residue"])
    assert time.process_time() - start < 2
