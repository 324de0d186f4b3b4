"""Scripts and words: what is Chinese or kana, at the edges of its blocks, and how a text is split."""

from __future__ import annotations

import re
from unicodedata import name

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.text.scripts import count_han, count_kana, has_han, unbroken, unspaced
from lora_marketing.text.words import ngrams, word_spans, words
from tests.making import ROOT, property_test


def test_chinese_characters_are_those_that_unicode_calls_so() -> None:
    """Every assigned ideograph, and what is written among them, but no radical."""
    also = set("々〆〇")
    for code in range(0x20000 + 0x3000):
        letter = chr(code)
        called = name(letter, "")
        if called:
            ideograph = (
                called.startswith(("CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH")) or letter in also
            )
            assert has_han(letter) == bool(ideograph), f"{code:x} {called}"


def test_kana_are_those_that_unicode_calls_letters_of_them() -> None:
    for code in range(0x3040, 0x3100):
        letter = chr(code)
        called = name(letter, "")
        if called:
            dots = called in ("KATAKANA-HIRAGANA DOUBLE HYPHEN", "KATAKANA MIDDLE DOT")
            assert bool(count_kana(letter)) == (not dots), f"{code:x} {called}"


@pytest.mark.parametrize(
    ("letter", "breaks"),
    [
        ("a", True),
        ("é", True),
        ("д", True),
        ("茶", False),
        ("か", False),
        ("차", False),
        ("、", False),
        ("1", True),
    ],
)
def test_which_letters_need_spaces_around_a_term(letter: str, breaks: bool) -> None:
    assert unbroken(letter) != breaks


def test_counting() -> None:
    assert (count_han("茶 tea お茶"), count_kana("お茶とコーヒー"), unspaced("tea"), unspaced("tea お")) == (
        2,
        6,
        False,
        True,
    )
    assert unbroken("茶a")
    assert not unbroken("a茶"), "the first letter decides"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't wait. 薄霜 680 克", ["don't", "wait", "薄", "霜", "680", "克"]),
        ("rock 'n' roll’s", ["rock", "n", "roll’s"]),
        ("お茶・緑茶", ["お", "茶", "緑", "茶"]),
        ("A4-Papier 3.5", ["a4", "papier", "3", "5"]),
        ("l'été茶d'été", ["l'été", "茶", "d'été"]),
        ("'茶'茶", ["茶", "茶"]),
        ("…", []),
    ],
)
def test_how_a_text_is_split(text: str, found: list[str]) -> None:
    assert list(words(text)) == found
    assert [text[start:end].casefold() for _, start, end in word_spans(text)] == found


@property_test
@given(st.text(), st.integers(1, 3))
def test_runs_of_words_are_all_there_and_in_order(text: str, size: int) -> None:
    said = words(text)
    assert ngrams(said, size) == [said[at : at + size] for at in range(len(said) - size + 1)]


def test_no_other_file_says_what_is_chinese() -> None:
    """But for the words whose hashes are published, and what a length budget breaks at."""
    own = {"text/scripts.py", "text/known_texts.py", "engine/constraints/budget.py"}
    package = ROOT / "lora_marketing"
    strays = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"\\u(?:2e80|3040|3041|3400|4e00|9fff)", path.read_text(encoding="utf-8"))
    ]
    assert set(strays) == own
