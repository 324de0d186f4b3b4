"""Letters that a screen obeys, that turn what stands beside them, or that nobody sees."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.common.console import note, plain_text, result
from lora_marketing.common.errors import Problem
from lora_marketing.common.printable import unprintable, visible, visible_line
from tests.making import property_test

REFUSED = [*"\0\x07\x08\x1b\x7f\x85\x9b\u2028\u2029\u202a\u202e\u2066\u2069\ud800\udfff", "\U000e0041"]


@pytest.mark.parametrize("letter", REFUSED)
def test_what_a_screen_obeys_is_refused_and_written_out(letter: str) -> None:
    assert unprintable(f"a{letter}b") == f"U+{ord(letter):04X} at character 2"
    shown = visible(f"a{letter}b")
    assert letter not in shown
    assert json.loads(f'"{shown}"') == f"a{letter}b"


@pytest.mark.parametrize("letter", ["\n", "\t", "\u200b", "\u2060", "\ufeff", "\u00ad", "\u200d"])
def test_a_name_has_one_line_and_is_seen_whole(letter: str) -> None:
    assert unprintable(f"a{letter}b") is None
    assert unprintable(f"a{letter}b", one_line=True)
    assert letter not in visible_line(f"a{letter}b")


@pytest.mark.parametrize(
    "text",
    [
        "Café – 山屿 “x”",
        "👩\u200d👩\u200d👧",
        "می\u200cخواهم",
        "ภาษา\u200bไทย",
        "\U0001f3f4\U000e0067\U000e0062\U000e007f",
        "שלום\u200f!",
    ],
)
def test_what_languages_and_pictures_need_stays(text: str) -> None:
    assert unprintable(text, one_line=True) is None
    assert visible(text) == visible_line(text) == text


@property_test
@given(st.text(st.characters(exclude_characters='"\\')))
def test_what_is_shown_is_the_same_json(text: str) -> None:
    assert json.loads(f'"{visible_line(text)}"') == text
    assert unprintable(visible_line(text), one_line=True) is None


def test_every_way_to_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    said = "a\x1b[2J\u202eb\ud800"
    note(said)
    result(said)
    captured = capsys.readouterr()
    assert captured.out == captured.err == "a\\u001b[2J\\u202eb\\ud800\n"
    assert plain_text(said).plain + "\n" == captured.out
    forged = str(Problem("wrong", got="a\nerror: forged"))
    assert all(line.startswith("    ") for line in forged.split("\n")[1:])
