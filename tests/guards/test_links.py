"""Where a text may point to, and how."""

from __future__ import annotations

import pytest

from lora_marketing.guards.links import find
from tests.guards.making import case

OWN = case(links=["fjord.example", "https://soap.cn/"])


def rules(text: str) -> list[tuple[str, str]]:
    return [(one.rule.removeprefix("links."), one.severity) for one in find(text, OWN)]


@pytest.mark.parametrize(
    "text",
    [
        "See https://fjord.example/a?size=2#top.",
        "shop.fjord.example（点击）",
        "在www.soap.cn看。",
        "Node.js, ASP.NET, e.g. i.e. README.md, 3.50, v1.2.3, 9.30 a.m.",
        "Write to me@mail.com, data: soft, JavaScript: fast.",
        "Great.So good",
        "soap.In winter, .NET, Asp.NET",
        "我用Fjord。It floats",
        "在https://fjord.example。然后，ｆｊｏｒｄ．ｅｘａｍｐｌｅ",
        "https://[",
        "",
    ],
)
def test_own_links_and_ordinary_dots_pass(text: str) -> None:
    assert rules(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://evil.com/x", ("foreign", "block")),
        ("www.evil.cn，快来", ("foreign", "block")),
        ("Booking.com", ("foreign", "block")),
        ("evil。com", ("foreign", "block")),
        ("快来ｅｖｉｌ．ｃｏｍ／ｘ看", ("foreign", "block")),
        ("https：／／evil.com", ("foreign", "block")),
        ("EvilStore.Com", ("foreign", "block")),
        ("At Evil.COM/deal today", ("foreign", "block")),
        ("https://fjord.example.evil.com", ("foreign", "block")),
        ("https://notfjord.example", ("foreign", "block")),
        ("bit.ly/3x", ("shortener", "block")),
        ("https://t.cn/A", ("shortener", "block")),
        ("https://fjоrd.example", ("lookalike", "block")),
        ("https://fj0rd.example", ("lookalike", "block")),
        ("https://xn--fjrd-0qa.example", ("lookalike", "block")),
        ("http://fjord.example", ("insecure", "fix")),
        ("https://fjord.example/?utm_source=a", ("tracking", "fix")),
        ("<a href='/x'>", ("markup", "fix")),
        ("[x](/y)", ("markup", "fix")),
        ("![x](/y)", ("embedded", "block")),
        ("<img src=x onerror=y>", ("embedded", "block")),
        ("javascript:alert(1)", ("script", "block")),
        ("data:text/html;base64,PHg+", ("script", "block")),
    ],
)
def test_what_is_wrong_with_a_link(text: str, found: tuple[str, str]) -> None:
    assert rules(text) == [found]


def test_a_brand_that_names_no_links_leaves_them_to_a_person() -> None:
    assert [(one.rule, one.severity) for one in find("https://evil.com", case())] == [
        ("links.foreign", "review")
    ]


def test_suggestions_are_the_link_as_it_should_be() -> None:
    text = "go to http://fjord.example/a?b=1&UTM_Source=x&fbclid=2&c=%20#d now"
    found = {one.rule: (text[slice(*one.span)], one.suggestion) for one in find(text, OWN) if one.span}
    assert found["links.insecure"][1] == "https://fjord.example/a?b=1&UTM_Source=x&fbclid=2&c=%20#d"
    assert found["links.tracking"] == (text[6:-4], "http://fjord.example/a?b=1&c=+#d")


def test_who_is_asked_before_the_at_is_no_host() -> None:
    assert ("lookalike", "block") in rules("https://fjord.example@evil.com/")


@pytest.mark.parametrize(
    "end", ["com", "org", "cn", "io", "uk", "eu", "de", "fr", "ru", "jp", "kr", "xyz", "biz", "cc"]
)
def test_an_ending_that_is_no_word_makes_an_address_however_it_is_written(end: str) -> None:
    """`Evil.Com` too, where `Great.So` is two sentences."""
    ending = f"Co.{end.capitalize()}" if end in ("uk", "jp", "kr") else end.capitalize()
    assert rules(f"See Evil.{ending} now") == [("foreign", "block")]


def test_own_hosts_may_be_named_in_any_usual_way() -> None:
    for own in ("https://www.Fjord.example/", "www.fjord.example", "fjord.example/"):
        asked = case(links=[own])
        assert list(find("fjord.example, a.fjord.example, https://www.fjord.example/x", asked)) == []
        assert [one.rule for one in find("https://afjord.example", asked)] == ["links.foreign"]
    ours = case(links=["fjord.md"])
    assert list(find("fjord.md", ours)) == [], "an ending of files, but the brand's own"


def test_letters_of_two_alphabets_in_one_label() -> None:
    for host, mixed in (
        ("аpple.com", True),
        ("zебра.com", True),
        ("münchen.com", False),
        ("яндекс.com", False),
    ):
        assert rules(f"https://{host}") == [("lookalike" if mixed else "foreign", "block")], host


def test_a_tracking_parameter_without_a_value_is_taken_out_and_others_stay() -> None:
    (one,) = find("https://fjord.example/?a=&utm_source=&b", OWN)
    assert (one.rule, one.suggestion) == ("links.tracking", "https://fjord.example/?a=&b=")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("See evil[.]co now", "evil[.]co"),
        ("See evil(.)co now", "evil(.)co"),
        ("See evil [dot] com now", "evil [dot] com"),
        ("hxxps://evil.co/a", "hxxps://evil.co/a"),
        ("hxxp://evil.co", "hxxp://evil.co"),
        ("https[:]//evil.co", "https[:]//evil.co"),
        ("www.evil[.]co", "www.evil[.]co"),
    ],
)
def test_a_link_that_no_machine_follows_is_one(text: str, said: str) -> None:
    spans = {one.span for one in find(text, case(links=["fjord.com"])) if one.rule == "links.foreign"}
    assert [text[slice(*span)] for span in spans if span] == [said]


def test_brackets_are_no_dots_of_addresses() -> None:
    assert list(find("Soap (. ) and [dotted] paper, a list [a] [b].", case())) == []


def test_an_own_address_without_a_scheme_is_looked_at_too() -> None:
    asked = case(links=["fjord.md"])
    assert [one.rule for one in find("fjord.md/?utm_source=a", asked)] == ["links.tracking"]


def test_www_is_no_part_of_a_host() -> None:
    for own in ("www.fjord.example", "fjord.example"):
        asked = case(links=[own])
        assert list(find("https://fjord.example and https://www.fjord.example", asked)) == []
        for false in ("https://fj0rd.example", "https://www.fj0rd.example"):
            (one,) = find(false, asked)
            assert (one.rule, one.suggestion) == ("links.lookalike", own)


@pytest.mark.parametrize("latin", ["a", "z"])
def test_one_latin_letter_beside_another_alphabet_is_mixed(latin: str) -> None:
    assert rules(f"https://{latin}о.com") == [("lookalike", "block")]
    assert rules(f"https://{latin}я.com") == [("foreign", "block")]


def test_every_address_of_a_text_is_looked_at() -> None:
    text = "https://fjord.example/a, evil.com, https://bit.ly/3 and Booking.com"
    assert sorted(text[slice(*one.span)] for one in find(text, OWN) if one.span) == [
        "Booking.com",
        "evil.com",
        "https://bit.ly/3",
    ]


@pytest.mark.parametrize(("first", "found"), [("a", [("foreign", "block")]), ("aa", [])])
def test_a_host_has_253_characters_at_most(first: str, found: list[tuple[str, str]]) -> None:
    host = f"{first}.{'a.' * 124}com"
    assert len(host) == 252 + len(first)
    assert rules(host) == found
