"""Reading in windows finds what a pattern finds; accents and spans."""

from __future__ import annotations

import re
from itertools import pairwise
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.text.bounded import WINDOW, Apart, Spans, matches, normalized
from tests.making import property_test

SPAN = st.tuples(st.integers(0, 30), st.integers(1, 5)).map(lambda one: (one[0], one[0] + one[1]))


@pytest.mark.parametrize("pattern", [r"\bab+\b", r"^b", r"(?<=a)b(?!b)", r"\Aa", r"b\Z", r"\d{3,9}(?!\d)"])
@given(parts=st.lists(st.sampled_from(["ab", "b\n", "123", "a " * 300, "-" * 500]), max_size=20))
@property_test
def test_windows_find_what_the_whole_pattern_finds(pattern: str, parts: list[str]) -> None:
    text, read = "".join(parts), re.compile(pattern, re.MULTILINE)
    assert [one.span() for one in matches(read, text)] == [one.span() for one in read.finditer(text)]


def test_a_match_longer_than_a_window_is_found_once() -> None:
    found = [one.span() for one in matches(re.compile("a+"), "b" + "a" * (3 * WINDOW))]
    assert found[0][0] == 1
    assert all(end <= start for (_, end), (start, _) in pairwise(found))


@pytest.mark.parametrize("text", ["é", "e\u0301\u0323", "ﬁ", "각", "\u0323\u0301" * 15, "!?" * 100])
def test_what_carries_few_marks_is_normalised_as_unicode_says(text: str) -> None:
    assert normalized("NFKD", text) == normalize("NFKD", text)
    assert normalized("NFC", text) == normalize("NFC", text)


def test_marks_beyond_thirty_are_not_read() -> None:
    assert normalized("NFKD", "a" + "\u0301" * 5000 + "b" + "\u0301" * 5000).count("\u0301") == 60


@given(spans=st.lists(SPAN), asked=SPAN)
@property_test
def test_spans_cover_and_touch(spans: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    start, end = asked
    assert Spans(spans).cover(*asked) == any(s <= start and end <= e for s, e in spans)
    assert Spans(spans).touch(*asked) == any(s < end and start < e for s, e in spans)


@given(spans=st.lists(SPAN))
@property_test
def test_spans_apart_do_not_overlap(spans: list[tuple[int, int]]) -> None:
    apart, taken = Apart(), []
    for start, end in spans:
        fits = not any(s < end and start < e for s, e in taken)
        assert apart.take(start, end) == fits
        taken += [(start, end)] if fits else []
