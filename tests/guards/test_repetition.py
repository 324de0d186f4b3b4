"""Loops and texts that say the same again, in English and Chinese; rhetoric passes."""

from __future__ import annotations

import pytest

from lora_marketing.guards.repetition import find
from tests.guards.making import case


def rules(text: str, **own: object) -> list[str]:
    return [one.rule.removeprefix("repetition.") for one in find(text, case(**own))]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Soap soap soap soap soap.", "loop"),
        ("It floats and it floats and it floats and it floats.", "loop"),
        ("Buy the new blue bar now buy the new blue bar now", "loop"),
        ("这款香皂很好用这款香皂很好用", "loop"),
        ("很好很好很好很好很好", "loop"),
        ("The bar floats. It is blue. The bar floats.", "sentence"),
        ("这款香皂很好用。它是蓝色的。这款香皂很好用！", "sentence"),
        ("It is in the the bath.", "doubled"),
        (
            "Made by hand in the north, sold. Blue, made by hand in the north. Now made by hand in the north",
            "phrase",
        ),
        ("Lather is soft, lather is kind, lather lifts, lather rinses and lather lasts.", "word"),
    ],
)
def test_what_is_said_again_is_written_again(text: str, rule: str) -> None:
    assert rules(text) == [rule]
    assert [one.severity for one in find(text, case())] == ["fix"]


@pytest.mark.parametrize(
    "text",
    [
        "Slow coffee. Slow mornings.",
        "Location, location, location. Very, very good. Again and again.",
        "No fuss. No foam. No fear.",
        "We had had enough; all that that bar does.",
        "买买买！慢一点，再慢一点。好好学习，天天向上。",
        "一天一天，一点一点。",
        "1 1 1 1 1 1",
        "",
        "。",
    ],
)
def test_rhetoric_passes(text: str) -> None:
    assert rules(text) == []


def test_the_name_may_return() -> None:
    text = "Fjords bar one, Fjords bar two, Fjords bar three: Fjords wins, Fjords lasts."
    assert rules(text) == ["word"]
    assert rules(text, display_name="Fjords") == []


def test_where_the_loop_stands() -> None:
    text = "A bar. It is blue and it is blue and it is blue and."
    (one,) = find(text, case())
    assert one.span is not None
    assert text[slice(*one.span)].startswith("It is blue and it is blue")


LATIN = [f"w{letter}" for letter in "abcdefghijklmnopqrstuvwxyzABCDE"]
HAN = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调"
LOOPS = [(1, 4, 5), (2, 3, 4), (3, 3, 4), (4, 3, 3), (5, 3, 3), (6, 2, 2), (17, 2, 2), (30, 2, 2)]


@pytest.mark.parametrize(("size", "words", "characters"), LOOPS)
def test_how_often_a_phrase_is_a_loop(size: int, words: int, characters: int) -> None:
    """By its length: so often, and not once less; Chinese characters more often than words."""
    phrase, signs = " ".join(LATIN[:size]) + " ", HAN[:size]
    assert "loop" in rules(phrase * words)
    assert "loop" not in rules(phrase * (words - 1))
    assert "loop" in rules(signs * characters)
    assert "loop" not in rules(signs * (characters - 1))


def test_the_longest_phrase_of_a_loop_has_thirty_words() -> None:
    assert "loop" not in rules(f"{' '.join(LATIN[:31])} " * 2)


def test_a_phrase_is_shown_where_it_comes_last() -> None:
    text = "Made by hand in York, sold. Blue, made by hand in York. Now made by hand in York again."
    (one,) = find(text, case())
    assert (one.rule, one.span) == ("repetition.phrase", (60, 80))


def test_one_word_all_over_the_text_is_told_once() -> None:
    assert rules("Lather soapy soapy lather lather soapy soapy lather lather soapy") == ["word"]
    assert rules("lather a b lather c d lather e f lather g h") == [], "four times"
    text = "lather a b lather c d lather e f lather g h lather i j k l m n"
    assert rules(text) == ["word"]
    assert rules(f"{text} o") == [], "one word in four"
