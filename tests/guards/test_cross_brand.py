"""Cross-brand: other names of the house are found, and not told on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lora_marketing.guards import Finding
from lora_marketing.guards.cross_brand import find, unsaid
from tests.guards.making import case

OTHERS = ("Ember", "Halden Serum", "山屿", "Fjord")


def found(text: str) -> list[Finding]:
    return list(find(text, replace(case({"product": "Ember Bar"}), others=OTHERS)))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Like ＥＭＢＥＲ, but soap", "ＥＭＢＥＲ"),
        ("a HALDEN serum!", "HALDEN serum"),
        ("同门的山屿也好", "山屿"),
        ("来自Ember的皂", "Ember"),
        ("the Halden\nSerum", "Halden\nSerum"),
        ("the HaldenSerum", "HaldenSerum"),
        ("the Halden-Serum", "Halden-Serum"),
        ("the Halden  Serum", "Halden  Serum"),
        ("the Háldеn Sеrum", "Háldеn Sеrum"),
        ("同門的山嶼也好", "山嶼"),
    ],
)
def test_a_name_is_found_in_any_spelling(text: str, name: str) -> None:
    (one,) = found(text)
    assert one.span is not None
    assert (text[slice(*one.span)], one.severity) == (name, "block")
    assert name not in f"{one.message} {one.suggestion}"


@pytest.mark.parametrize(
    "text",
    ["September", "Fjord washes.", "The Ember Bar floats.", "Halden serums", "Halden. Serum", "高山岛屿"],
)
def test_own_names_and_parts_of_words_pass(text: str) -> None:
    assert found(text) == []


def test_an_ordinary_word_is_for_a_person() -> None:
    assert [one.severity for one in found("Warm as an ember.")] == ["review"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Like ＨＡＬＤＥＮ　serum, for September.", ("Ember", "山屿")),
        ("Warm as an ember.", ("Halden Serum", "Halden", "山屿")),
        ("跟山屿一样", ("Ember", "Halden Serum", "Halden")),
        ("", ("Ember", "Halden Serum", "Halden", "山屿")),
    ],
)
def test_names_that_a_text_says_are_told_from_those_it_does_not(text: str, left: tuple[str, ...]) -> None:
    """`Halden Serum` says `Halden` too, and so neither is left."""
    names = ("Ember", "Halden Serum", "Halden", "山屿")
    assert unsaid(names, text) == left
    assert unsaid((), text) == ()


def test_without_other_brands_nothing_is_said() -> None:
    assert list(find("Ember", case())) == []


def test_only_what_stands_within_an_own_name_is_its_own() -> None:
    """And what follows it is looked at, too."""
    texts = ("Ember Bar, not Ember", "Ember, not Ember Bar", "Ember Bar 山屿")
    assert [[(one.span, one.severity) for one in found(text)] for text in texts] == [
        [((15, 20), "block")],
        [((0, 5), "block")],
        [((10, 12), "block")],
    ]


@pytest.mark.parametrize("name", ["Ember & Oak", "Ember and Oak", "Ember + Oak", "Ember&Oak"])
@pytest.mark.parametrize("said", ["Ember & Oak", "Ember and Oak", "EMBER AND OAK", "Ember&Oak"])
def test_and_is_written_in_several_ways(name: str, said: str) -> None:
    brief = {"product": "Bar"}
    others = replace(case(brief), others=(name,))
    assert [one.severity for one in find(f"As good as {said}.", others)] == ["block"]
    assert unsaid([name], f"As good as {said}.") == ()
    assert unsaid([name], "An ember and an oak.") == (name,)
