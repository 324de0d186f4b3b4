"""The structure guard, and the length guard on the pieces of an ad."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from lora_marketing.channels import structure
from lora_marketing.guards import findings, length
from lora_marketing.guards.structure import find
from tests.guards.making import case

RSA = case({"channel": "google_rsa", "field": "ad"})
TEXTS = ["It floats in the bath.", "Sailors like it."]


def ad(*headlines: str, **more: Any) -> str:
    return json.dumps({"headline": headlines, "description": TEXTS, **more}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (ad("It floats", "Six pounds", "香皂浮在水上"), []),
        ("It floats", ["structure.json"]),
        (ad("It floats", "Six pounds"), ["structure.json"]),
        (ad("It floats", "It floats!", "ＩＴ　ＦＬＯＡＴＳ"), ["structure.repeated"] * 2),
        (ad("It floats", " … ", "Six pounds"), ["structure.empty"]),
        (ad("A bar that floats", "A bar that float", "Six pounds"), ["structure.similar"]),
        (ad("海盐香皂浮在水面上不沉", "海盐香皂浮在水面上沉", "六英镑"), ["structure.similar"]),
        (ad(TEXTS[1], "Six pounds", "It floats"), []),
    ],
)
def test_an_ad(text: str, rules: list[str]) -> None:
    found = list(find(text, RSA))
    assert [one.rule for one in found] == rules
    assert {one.severity for one in found} <= ({"review"} if "structure.similar" in rules else {"fix"})
    for one in found:
        assert (one.span is None) == (one.rule == "structure.json")


def test_the_second_of_two_is_shown() -> None:
    text = ad("It floats", "Six pounds", "it floats.")
    (found,) = find(text, RSA)
    assert found.span
    assert text[slice(*found.span)] == "it floats."


def test_a_text_that_is_no_ad_has_no_structure() -> None:
    assert not list(find("{x", case()))


@pytest.mark.parametrize("text", ["", " \n", "…", "！。🎉"])
def test_every_text_says_something(text: str) -> None:
    assert [(one.rule, one.severity) for one in find(text, case())] == [("structure.empty", "fix")]


def test_every_piece_is_as_long_as_its_own_field_allows() -> None:
    text = ad("x" * 31, "y" * 30, "香" * 16, description=["z" * 90, "香" * 46])
    found = list(length.find(text, RSA))
    assert [text[slice(*one.span)] for one in found if one.span] == ["x" * 31, "香" * 16, "香" * 46]
    assert "32 of 30 gads_width" in found[1].message


def test_all_guards_together_parse_an_ad_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text, parsed = ad("It floats", "Six pounds", "A bar of its own"), []

    def loads(given: str, **more: Any) -> Any:
        parsed.append(given)
        return json.loads(given, **more)

    monkeypatch.setattr(structure, "json", SimpleNamespace(loads=loads, JSONDecodeError=json.JSONDecodeError))
    findings(text, RSA)
    assert parsed.count(text) == 1


def test_a_cut_ad_is_unfinished_once_whatever_its_pieces_say() -> None:
    text = ad("It floats", "It lasts", "A bar of its own")
    cut = [one.rule for one in findings(text, case({"channel": "google_rsa", "field": "ad"}, stopped=False))]
    whole = [one.rule for one in findings(text, RSA)]
    assert (cut.count("unfinished"), whole.count("unfinished")) == (1, 0)


@pytest.mark.parametrize(
    ("other", "rules"),
    [("abcdefghix", ["structure.similar"]), ("abcdefghxi", ["structure.similar"]), ("abcdefgxyi", [])],
)
def test_pieces_say_nearly_the_same_from_nine_of_ten_letters_on(other: str, rules: list[str]) -> None:
    found = find(ad("abcdefghij", other, "Six pounds"), RSA)
    assert [one.rule for one in found] == rules
