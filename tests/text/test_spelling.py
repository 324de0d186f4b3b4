"""Terms in disguise: what a person would still read as the term is found, ordinary words are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.text.spelling import Finder, forms, joins, plain, readings, within_word
from tests.making import property_test

TERMS = (
    "miracle",
    "cure",
    "perfect skin",
    "game-changer",
    "together",
    "café",
    "C++",
    "最佳",
    "国家级",
    "App最佳",
)


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(TERMS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A MIRACLE!", "MIRACLE"),
        ("a ｍｉｒａｃｌｅ.", "ｍｉｒａｃｌｅ"),
        ("mi\u00adra\u200bcle", "mi\u00adra\u200bcle"),
        ("a mïráclè", "mïráclè"),
        ("mira\u0301cle", "mira\u0301cle"),
        ("the mіrасlе", "mіrасlе"),
        ("the μιracle mιracle", "mιracle"),
        ("m1racle", "m1racle"),
        ("m!r@cl3", "m!r@cl3"),
        ("MlRACLE", "MlRACLE"),
        ("miracIe", "miracIe"),
        ("🅼🅸🆁🅰🅲🅻🅴", "🅼🅸🆁🅰🅲🅻🅴"),
        ("a m.i.r.a.c.l.e now", "m.i.r.a.c.l.e"),
        ("a m i r a c l e now", "m i r a c l e"),
        ("mira-cle", "mira-cle"),
        ("miiiiracle", "miiiiracle"),
        ("two miracles", "miracles"),
        ("a miracle's", "miracle's"),
        ("cured", "cured"),
        ("curing it", "curing"),
        ("perfectskin", "perfectskin"),
        ("perfect\nskins", "perfect\nskins"),
        ("game changers", "game changers"),
        ("cafes", "cafes"),
        ("用cure吧", "cure"),
        ("这最佳的", "最佳"),
        ("最 佳", "最 佳"),
        ("最\u200b佳", "最\u200b佳"),
        ("最*佳", "最*佳"),
        ("國家級面霜", "國家級"),
        ("国-家-级", "国-家-级"),
    ],
)
def test_a_disguised_term_is_found_where_it_stands(finder: Finder, text: str, found: str) -> None:
    (spelled,) = finder.find(text)
    assert (text[slice(*spelled.span)], spelled.sure) == (found, True)


@pytest.mark.parametrize("text", ["to get her there", "最，佳", "mir acle"])
def test_letters_that_only_meet_are_not_sure(finder: Finder, text: str) -> None:
    (spelled,) = finder.find(text)
    assert not spelled.sure


@pytest.mark.parametrize(
    "text",
    [
        "Secure, manicured and procured.",
        "It is perfect. Skin loves it.",
        "Perfect, skin-friendly",
        "The C is flat.",
        "WhatsApp最好",
        "cu re",
        "Model C0 at 12345",
        "mi raclette",
        "",
        "\u200b",
    ],
)
def test_ordinary_words_pass(finder: Finder, text: str) -> None:
    assert finder.find(text) == []


def test_a_number_is_no_word() -> None:
    finder = Finder(["ass", "bob"])
    assert finder.find("455 of 808, Samsung A55, $55") == []
    assert [one.term for one in finder.find("4ss")] == ["ass"]


def test_what_has_to_stand_around_a_term() -> None:
    assert Finder(["fuck"], edges="none").find("unfuckable")
    assert not Finder(["fuck"]).find("unfuckable")
    assert Finder(["性"], edges="apart").find("爱，性。")
    assert not Finder(["性"], edges="apart").find("可能性很高")


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("cure", {"cure", "cures", "cured", "curing"}),
        ("remedy", {"remedies", "remedied", "remedying"}),
        ("plan", {"planned", "planning", "plans"}),
        ("market", {"marketed", "marketing", "markets"}),
        ("glass", {"glasses"}),
    ],
)
def test_regular_forms(word: str, known: set[str]) -> None:
    assert known <= set(forms(word))


def test_forms_are_no_other_words() -> None:
    assert "caring" not in set(forms("car"))
    assert list(forms("最佳")) == ["最佳"]


@pytest.mark.parametrize(
    ("sign", "letter"),
    [
        ("A", "a"),
        ("ß", "ss"),
        ("ﬁ", "fi"),
        ("а", "a"),
        ("ø", "o"),
        ("國", "国"),
        ("Ⓜ", "m"),
        ("が", "が"),
        ("-", ""),
    ],
)
def test_plain_letters(sign: str, letter: str) -> None:
    assert plain(sign) == letter


@property_test
@given(st.text(max_size=40))
def test_every_letter_of_a_reading_comes_from_the_text(text: str) -> None:
    for reading in readings(text):
        assert len(reading.letters) == len(reading.origins)
        assert list(reading.origins) == sorted(reading.origins)
        assert all(0 <= at < len(text) for at in reading.origins)


@property_test
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_term_between_spaces_is_always_found(before: str, after: str) -> None:
    text = f"{before} \n。miracle。\n {after}"
    assert any(one.term == "miracle" for one in Finder(["miracle"]).find(text))


@pytest.mark.parametrize(
    ("text", "within"),
    [
        ("ab", [1]),
        ("a b", []),
        ("a_1", [1, 2]),
        ("a-b", []),
        ("ae\u0301b", [1, 2, 3]),
        ("-\u0301", [1]),
        ("茶a茶", []),
        ("\u1112\u1161\u11ab", [1, 2]),
        ("차a", []),
    ],
)
def test_where_a_word_goes_on(text: str, within: list[int]) -> None:
    """Not at the ends, not beside signs or unspaced scripts, always before an accent."""
    assert [at for at in range(-1, len(text) + 2) if within_word(text, at)] == within


def test_what_joins() -> None:
    assert [joins(letter) for letter in "a1_\u0301é-' 茶か"] == [*[True] * 5, *[False] * 5]


def test_drawn_out_letters_are_read_once_and_twice() -> None:
    assert [reading.letters for reading in readings("coool")] == ["coool", "col", "cool"]
    assert [reading.letters for reading in readings("cool")] == ["cool"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("c4fe", ["c4fe", "cafe"]),
        ("45", ["45"]),
        ("cafe", ["cafe"]),
        ("b1ll!", ["b1ll", "bill"]),
        ("MlRA", ["mlra", "mira"]),
        ("aI", ["ai", "al"]),
    ],
)
def test_signs_are_read_as_letters_only_in_words_with_letters(text: str, read: list[str]) -> None:
    """In the order of first being read, each reading once."""
    assert list(dict.fromkeys(reading.letters for reading in readings(text)))[: len(read)] == read
    assert (len(readings(text)) > 1) == (len(read) > 1)


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("a.bcd", "an abcd", True),
        ("a.bc", "an abc", False),
        ("a.bc", "an a.bc", True),
        ("cur", "a c u r here", True),
        ("curs", "a c-u-r-s here", True),
        ("ad", "an a d here", False),
        ("ad", "an ad here", True),
        ("q", "a q here", True),
    ],
)
def test_how_few_letters_tell_a_term(term: str, text: str, found: bool) -> None:
    """Four with signs between them, two without; three where each stands alone."""
    assert bool(Finder([term]).find(text)) == found


@pytest.mark.parametrize("way", [1, -1])
def test_of_terms_in_the_same_letters_the_first_given_is_found(way: int) -> None:
    """`bars` is a term, and the plural of `bar`; which one is told never differs between two runs."""
    words = ("bar", "soap", "brush", "towel", "lamp", "cup", "kettle", "mill", "spoon", "plate")
    for word in words:
        given = [word, next(form for form in forms(word) if form != word and form.endswith("s"))][::way]
        (one,) = Finder(given).find(f"Our {max(given, key=len)} here")
        assert one.term == given[0]
