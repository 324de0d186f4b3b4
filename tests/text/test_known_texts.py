"""Known texts: runs that were trained on are found, changed ones are not, and files carry hashes only."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.brands.brand import Example
from lora_marketing.channels.structure import taught_texts
from lora_marketing.common.errors import DataError
from lora_marketing.text.known_texts import KnownTexts, Overlap
from tests.making import property_test

TEXT = "The rest of the street is asleep and you are not, so here is a dark roast with cocoa in it."
HAN = "山里的早晨很安静，只听见水壶轻轻作响，帐篷外面落着一层薄霜。"
KNOWN = KnownTexts.of([TEXT, HAN])


def test_a_run_of_eight_words_is_found_where_it_stands() -> None:
    text = "Buy now: THE STREET is asleep and you are not, so hurry."
    found = KNOWN.overlap(text)
    assert (found.words, found.whole) == (9, False)
    assert found.span is not None
    assert text[slice(*found.span)] == "THE STREET is asleep and you are not, so"
    assert found.share == 9 / 12
    assert KNOWN.overlap("Seven words: street is asleep and you are.").span is None


def test_a_run_of_sixteen_chinese_characters_is_found() -> None:
    assert KNOWN.overlap("听说只听见水壶轻轻作响，帐篷外面落着一层雨").words == 8
    assert KNOWN.overlap("只听见水壶轻轻作响，帐篷外面落着雨").span is None


def test_runs_that_touch_are_one() -> None:
    first, second = "a b c d e f g h", "i j k l m n o p"
    known = KnownTexts.of([first, second])
    assert known.overlap(f"{first} {second}").words == 16
    assert known.overlap(f"{first} - {second}").words == 16
    apart = known.overlap(f"{first} and {second}")
    assert (apart.words, apart.share) == (8, 16 / 17)
    assert known.overlap("a b c d e f g") == Overlap(share=0.0, words=0, span=None, whole=False)


def test_a_whole_text_is_told_from_a_part() -> None:
    assert KNOWN.overlap(TEXT.upper().replace(",", " ;")).whole
    assert KnownTexts.of(["Two words."]).overlap("two WORDS").whole
    assert not KNOWN.overlap(TEXT[:60]).whole
    assert KNOWN.overlap(TEXT, but=KNOWN).span is None


def test_of_a_whole_ad_every_piece_is_known() -> None:
    texts = {"headline": ["A slow bar for cold water", "海盐香皂浮在水面上"], "description": ["d"]}
    brief = {"id": "a", "product": "Bar", "channel": "google_rsa", "field": "ad"}
    row = Example.model_validate(brief | {"text": json.dumps(texts, ensure_ascii=False)})
    known = KnownTexts.of(taught_texts([row]))
    assert all(known.overlap(text).whole for text in (row.text, *texts["headline"]))
    plain = row.model_copy(update={"field": "headline", "text": TEXT})
    assert KnownTexts.of(taught_texts([plain])) == KnownTexts.of([TEXT])


@property_test
@given(st.lists(st.text(max_size=60), max_size=6))
def test_a_file_brings_back_what_was_written(texts: list[str]) -> None:
    known = KnownTexts.of(texts)
    assert KnownTexts.from_bytes(known.to_bytes()) == known


def test_what_either_knows_is_known_to_both() -> None:
    both = KnownTexts.of([TEXT]) | KnownTexts.of([HAN])
    assert both == KNOWN
    assert both.hashes == len(KNOWN.shingles) + 2


def test_the_hashes_of_published_versions_stay_as_they_are() -> None:
    """A file that was written long ago knows the same texts today."""
    assert (
        sha256(KNOWN.to_bytes()).hexdigest()
        == "81158363dfc82416fd646097638b7e271f96a28dc21c9b2a7e15f19f3206221e"
    )


def test_a_file_holds_no_words() -> None:
    assert b"street" not in KNOWN.to_bytes()


@property_test
@given(st.data())
def test_a_file_that_was_changed_is_refused(data: st.DataObject) -> None:
    written = bytearray(KNOWN.to_bytes())
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DataError):
        KnownTexts.from_bytes(bytes(written))


@pytest.mark.parametrize(
    "data", [b"LMKNOWN\x01" + bytes(16), b"LMKNOWN\x02" + KNOWN.to_bytes()[8:], bytes(400)]
)
def test_what_is_no_such_file_is_told_from_one_that_was_changed(data: bytes) -> None:
    with pytest.raises(DataError, match="is not a file of known texts"):
        KnownTexts.from_bytes(data)


@pytest.mark.parametrize("garbage", [b"", b"{}", KNOWN.to_bytes()[:-1], KNOWN.to_bytes() + b"\0"])
def test_garbage_is_refused_with_its_place(garbage: bytes) -> None:
    with pytest.raises(DataError, match=r"known\.bin"):
        KnownTexts.from_bytes(garbage, "known.bin")


def test_what_is_printed_of_known_texts_holds_no_hashes() -> None:
    assert repr(KNOWN) == "KnownTexts()"
