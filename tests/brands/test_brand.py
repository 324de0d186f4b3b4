from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lora_marketing.brands.brand import Brand, Brief, Example, load_brand
from lora_marketing.brands.preference_pairs import PreferencePair
from lora_marketing.channels import load_limit
from lora_marketing.common.errors import RecipeError
from lora_marketing.data.dataset import read_examples
from tests.making import BRAND, BRANDS, property_test

EXAMPLES = sorted(path.parent.name for path in BRANDS.glob("*/brand.yaml"))


def banning(*terms: str) -> Brand:
    values = {"schema": 1, "name": "x", "display_name": "X", "locale": "en-GB", "guide": "g"}
    return Brand.model_validate({**values, "lines": {"a": "b"}, "banned_terms": list(terms)})


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("cure", "A cure."),
        ("cure", "THE CURE"),
        ("Cure", "cure"),
        ("perfect skin", "for perfect  skin"),
        ("perfect skin", "for perfect\nskin"),
        ("Pell & Marrow", "like Pell & Marrow's"),
        ("game-changer", "a game\u2011changer"),
        ("don't", "don’t"),
        ("café", "cafe\u0301"),
        ("artisan", "ａｒｔｉｓａｎ"),
        ("straße", "STRASSE"),
        ("C++", "in C++, or not"),
        ("最佳", "这是最佳的"),
        ("cure", "用cure吧"),
        ("App最佳", "这App最佳的"),
        ("カフェ", "カフェラテ"),
        ("한국", "한국에서"),
        ("𠮷野家", "去𠮷野家吃"),
        ("miracle", "a mi\u200bracle"),
        ("miracle", "mira\u00adcle\ufe0f!"),
        ("mi\u200bracle", "miracle"),
        ("perfect skin", "perfect\u3000\u200b skin"),
        ("a a", "xa a a"),
        ("が", "か\u3099ら"),
        ("한국", "\u1112\u1161\u11ab국에서"),
        ("ệ", "e\u0302\u0323"),
        ("cure", "a \u0441ur\u0435"),
        ("国家级", "這國家級的"),
        ("最佳", "蕞佳"),
        ("cure", "a \u0421UR\u0395"),
        ("\u0441\u043e\u0440", "\u0421\u041e\u0420"),
    ],
)
def test_a_forbidden_term_is_found(term: str, text: str) -> None:
    assert banning("other", term).forbidden_in(text) == [term]


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("cure", "secure"),
        ("cure", "cured"),
        ("cure", "cure_all"),
        ("cure", "cure2"),
        ("cure", "manicures and pedicure"),
        ("perfect skin", "perfect, skin"),
        ("perfect skin", "perfectskin"),
        ("最佳", "最 佳"),
        ("App最佳", "WhatsApp最佳的"),
        ("a.c", "abc"),
        ("cure", ""),
        ("cure", "curé"),
        ("cure", "cure\u0301"),
        ("cure", "\u0441ur\u0435\u0431"),
        ("か", "がら"),
        ("하", "한국"),
    ],
)
def test_a_term_within_another_word_is_not(term: str, text: str) -> None:
    assert banning(term).forbidden_in(text) == []


def test_competitors_are_forbidden_too_and_all_terms_are_named() -> None:
    brand = banning("miracle", "cure").model_copy(update={"competitors": ["Fjordsuds"]})
    assert brand.forbidden_in("A FJORDSUDS cure? Insecure fjordsuds.") == ["cure", "Fjordsuds"]


@pytest.mark.parametrize(
    ("text", "ended", "start"),
    [
        ("a cure", True, 2),
        ("a cure", False, None),
        ("a cure.", False, 2),
        ("a cured", True, None),
        ("a cured cure", True, 8),
        ("ＡＢ\u200b \n ｃure!", False, 6),
        ("这最佳", False, 1),
        ("in C++", False, 3),
    ],
)
def test_the_first_forbidden_term_has_a_place(text: str, ended: bool, start: int | None) -> None:
    assert banning("cure", "最佳", "C++").first_forbidden(text, ended) == start


def test_an_accent_may_still_slip_under_another() -> None:
    assert banning("ệ").safe_prefix_length("b ê") == 2
    assert banning("ệ").forbidden_in("e\u0302\u0323") == ["ệ"]


LETTERS = st.text(
    st.sampled_from("cureCaf \n.é\u0301\u0323e\u0441\u0415\u200bが\u3099か最蕞國国佳한하\u11abs-+’'pot new"),
    max_size=14,
)


@property_test
@given(LETTERS, LETTERS)
def test_what_is_harmless_stays_so_whatever_comes(text: str, more: str) -> None:
    brand = banning("cure", "café", "ce new", "new pot", "e e", "最佳", "国佳", "한", "が", "C++", "pot's")
    assert bool(brand.forbidden_in(text)) == (brand.first_forbidden(text, ended=True) is not None)
    if brand.first_forbidden(text, ended=False) is None:
        found = brand.first_forbidden(text + more, ended=True)
        assert found is None or found >= brand.safe_prefix_length(text)


@pytest.mark.parametrize("letter", ["\0", "\x07", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\u202e"])
def test_control_characters_are_refused(letter: str) -> None:
    with pytest.raises(ValidationError, match="control characters"):
        Example(id="a", product="p", channel="c", field="f", text=f"a{letter}b")


def test_lines_and_tabs_are_text() -> None:
    example = Example(id="a", product="p", channel="c", field="f", text=" a\n\tb ")
    assert example.text == "a\n\tb"
    assert example.brief() == Brief(product="p", channel="c", field="f")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("schema: 1", "schema: 2", ":1: schema is not allowed"),
        ("name: tidal", "name: Tidal Soap", ":2: name is not allowed"),
        ("locale: en-GB", "locale: NO", ":4: locale is not allowed"),
        ("  soap: Bars and flakes.", "  Soap Bars: b", ":6: lines.Soap Bars is not allowed"),
        ("guide: Write", "guide: 3 # ", ":8: guide is not allowed"),
        ("guide: Write short sentences.", "guide: ' '", ":8: guide is not allowed"),
        ("facts: [Every", "facts: [1, Every", ":9: facts[0] is not allowed"),
        ("banned_terms", "baned_terms", ":10: unknown key baned_terms"),
        ("display_name: Tidal", "", ": missing key display_name"),
    ],
)
def test_a_broken_profile_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "brand.yaml"
    path.write_text(BRAND.replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        load_brand(path)
    assert told in str(caught.value)
    assert len(caught.value.problems) == 1


def length(text: str, unit: str) -> int:
    """How much of a limit in `unit` a text uses up."""
    width = sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)
    if unit == "char":
        return len(text)
    if unit in ("width2", "gads_width"):
        return width
    if unit in ("half_width", "xhs"):
        return math.ceil(width / 2)
    return len(text.encode({"byte": "utf-8", "byte_gbk": "gbk"}[unit]))


def fits(row: Example) -> bool:
    limit = load_limit(row.channel, row.field)
    if limit.unit == "gsm7":
        latin = re.fullmatch(r"[\x20-\x5f\x61-\x7a\n£¥èéùìòÇØøÅåÄÖÑÜäöñüàß§¿¡]*", row.text)
        return len(row.text.encode("utf-16-le")) <= 2 * (160 if latin else 70)
    return limit.max is None or limit.min <= length(row.text, limit.unit) <= limit.max


def grams(text: str) -> frozenset[Any]:
    """Word trigrams, or runs of four letters where words are not set apart."""
    parts: Any = re.sub(r"\W", "", text) if re.search("[\u4e00-\u9fff]", text) else text.casefold().split()
    size = 4 if isinstance(parts, str) else 3
    return frozenset(tuple(parts[at : at + size]) for at in range(max(1, len(parts) - size + 1)))


def near_duplicates(texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    sets = {name: grams(text) for name, text in texts.items()}
    for (one, a), (other, b) in combinations(sets.items(), 2):
        if len(a & b) > 0.5 * len(a | b):
            yield one, other


def test_near_duplicates_would_be_seen() -> None:
    texts = {"a": "One two three four five six.", "b": "One two three four five six!", "c": "Else."}
    texts |= {"d": "山里黑得早，孩子会往你身边靠。", "e": "山里黑得早，孩子会往你身边靠着。"}
    assert list(near_duplicates(texts)) == [("a", "b"), ("d", "e")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_texts_teach_what_they_should(name: str) -> None:
    brand = load_brand(BRANDS / name / "brand.yaml")
    rows = [row for _, row in read_examples(BRANDS / name / "texts.jsonl")]
    assert brand.name == name
    assert len(rows) >= 150
    assert {row.line for row in rows} == set(brand.lines)
    assert [row.id for row in rows if not fits(row)] == []
    assert {row.id: brand.forbidden_in(row.text) for row in rows if brand.forbidden_in(row.text)} == {}
    assert list(near_duplicates({row.id: row.text for row in rows})) == []


def test_the_example_texts_have_ids_of_their_own() -> None:
    assert len(EXAMPLES) == 3
    lines = [
        line
        for name in EXAMPLES
        for line in (BRANDS / name / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == len(set(ids))


def test_rows_of_one_brief_have_its_key_and_other_briefs_another() -> None:
    brief = Brief(product="Bar", channel="sms", field="text", attributes={"size": "10 g", "price": "£6"})
    said = brief.model_dump()
    row = Example(**said, id="1", text="It floats.")
    pair = PreferencePair(**said, id="2", chosen="It floats.", rejected="It sinks.")
    assert {brief.key, row.key, pair.key, row.brief().key, pair.as_rejected().key} == {brief.key}
    assert Brief.model_validate_json(brief.key) == brief
    others = [brief.model_copy(update={name: "other"}) for name in said if name != "attributes"]
    others.append(brief.model_copy(update={"attributes": {"size": "10 g"}}))
    assert len({one.key for one in (brief, *others)}) == len(said) + 1
