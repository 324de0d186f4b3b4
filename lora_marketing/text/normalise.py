"""Gives texts that read the same one spelling, in which each letter knows its place in the original text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from unicodedata import category, normalize

from lora_marketing.text.bounded import normalized
from lora_marketing.text.disguises import PICTURES, WITHIN, with_letters_for_signs
from lora_marketing.text.homophones import meant
from lora_marketing.text.scripts import HAN
from lora_marketing.text.spelling import joins, plain

_SIGNS = str.maketrans("\u2010\u2011\u2018\u2019\u201c\u201d", "--''\"\"")
_GAP_IN_HAN = re.compile(
    rf"(?<=[{HAN}])(?:(?:[ {WITHIN}{PICTURES}&]|\n(?!\s*\n))+(?=[{HAN}])|([/、,])(?=[{HAN}]\1[{HAN}]))"
    rf"|(?<=[{HAN}]([/、,])[{HAN}])\2(?=[{HAN}])"
    rf"|(?<=[{HAN}])[(\[【「『](?=[{HAN}][)\]】」』])|(?<=[(\[【「『][{HAN}])[)\]】」』](?=[{HAN}])"
)
"""What breaks no Chinese word; of signs that part the items of a list, only one between single letters."""
_SET_APART = re.compile(
    rf"(?<![a-z0-9])[a-z0-9@$](?:(?:[{WITHIN}/,'{PICTURES}]{{1,3}}[a-z0-9@$!](?![a-z0-9])){{2,}}+"
    rf"|(?P<gap>\s|\s?[{PICTURES}{WITHIN}]\s?)[a-z0-9@$!](?![a-z0-9])(?:(?P=gap)[a-z0-9@$!](?![a-z0-9]))++)"
)
_BETWEEN_LETTERS = re.compile(r"[^a-z0-9@$!]+")
_WITHIN_WORD = re.compile(rf"(?<=[a-z])[{WITHIN}{PICTURES}]{{1,3}}(?=[a-z])")
_ALONE = re.compile(rf"(?<=[a-z]) [*|•~^{PICTURES}]+ (?=[a-z])")
_BETWEEN_WORDS = re.compile(
    rf"[*·•_~^|\-+=#\\`/{PICTURES}]+|\.(?=[a-z])|(?<![\"()\[\]{{}}])[\"()\[\]{{}}]{{1,8}}+(?=[a-z])|(?<=[a-z])[\"()\[\]{{}}]+"
)
_SPACE = re.compile(r"\s{2,}|[^\S ]")
_DRAWN_OUT = re.compile(r"([a-z])\1{2,}+|([aijquvxy])\2|(?<![a-z0-9])([b-df-hjkmnp-z])\3(?=[a-z])")
"""Letters three times in a row, two that no English word has so, a word that begins with a letter twice."""
LONGEST_LETTER = 8
"""Letters that one sign may stand for; a few Arabic ones are whole sentences."""


@dataclass(frozen=True)
class View:
    """A text in one spelling.

    Args:
        text: lower case, half width, plain quotes, simplified, without accents and invisible letters;
            letters of other alphabets that look Latin are Latin.
        places: for each letter of `text`, where it begins in what was read.
        ends: for each letter, where it ends there; right after its place if None.
    """

    text: str
    places: tuple[int, ...] | None
    ends: tuple[int, ...] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original text of what is from `start` to `end` in `self.text`."""
        if self.places is None or start == end:
            return start, end
        return self.places[start], self.ends[end - 1] if self.ends else self.places[end - 1] + 1

    def changed(self, changes: Iterable[tuple[int, int, str]]) -> View:
        """The view with other letters from each start to each end; in order, none over another."""
        found = list(changes)
        if not found:
            return self
        begins = self.places or range(len(self.text))
        stops = self.ends or [place + 1 for place in begins]
        letters: list[str] = []
        places: list[int] = []
        ends: list[int] = []
        done = 0
        for start, end, said in found:
            letters += [self.text[done:start], said]
            places += [*begins[done:start], *[begins[start]] * len(said)]
            ends += [*stops[done:start], *[stops[end - 1]] * len(said)]
            done = end
        letters.append(self.text[done:])
        return View("".join(letters), (*places, *begins[done:]), (*ends, *stops[done:]))

    def without(self, unwanted: re.Pattern[str]) -> View:
        """The view without what `unwanted` matches."""
        return self.replaced(unwanted, lambda _: "")

    def replaced(self, pattern: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> View:
        """The view with what `by` makes of each match of `pattern`."""
        found = ((*match.span(), by(match)) for match in pattern.finditer(self.text))
        return self.changed((start, end, said) for start, end, said in found if said != self.text[start:end])


def view(text: str) -> View:
    """Read `text` in one spelling; see `View`."""
    if text.isascii():
        return View(text.lower(), None)
    letters = [
        (folded, place)
        for place, letter in enumerate(text)
        for folded in (letter.lower() if letter.isascii() else _spelled(letter))
    ]
    spelled = "".join(letter for letter, _ in letters).translate(_SIGNS)
    return View(spelled, tuple(place for _, place in letters))


def as_written(text: str) -> str:
    """`text` in the one spelling that is kept: composed letters, \\n for a line end of any program.

    Tokenizers compose letters, too, so a text in another spelling would not be the one that is learnt.
    """
    return normalized("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def all_as_written(value: Any) -> Any:
    """A value of JSON with every text and name in it as it is kept."""
    if isinstance(value, str):
        return as_written(value)
    if isinstance(value, dict):
        return {as_written(key): all_as_written(inner) for key, inner in value.items()}
    return [all_as_written(inner) for inner in value] if isinstance(value, list) else value


@lru_cache(maxsize=16384)
def _spelled(letter: str) -> str:
    """What one character reads as; empty if it cannot be seen by itself."""
    if category(letter) in ("Cf", "Mn", "Me"):
        return ""
    shown = normalize("NFKC", letter)
    if len(shown) > LONGEST_LETTER:
        return letter
    read = plain(letter)
    return read if len(shown) == len(read) == 1 or (shown.isalpha() and not read) else shown.casefold()


@lru_cache(maxsize=32)
def readings(text: str) -> tuple[View, ...]:
    """Every way to read `text`, without doubles; the first one is `view`, the second one has whole words.

    The others take signs for letters, cut drawn-out letters, and part words at their signs. What is found in
    any of them stands in the text.
    """
    seen = [
        view(said) for said in (text, *with_letters_for_signs(text))
    ]  # as many letters, at the same places
    whole = [_in_one(one) for one in seen]
    found = [seen[0], *whole, _folded_space(seen[:2][-1].replaced(_BETWEEN_WORDS, lambda _: " "))]
    if _DRAWN_OUT.search(whole[0].text):
        found += [
            whole[0].replaced(_DRAWN_OUT, cut) for cut in (lambda run: run[0][0], lambda run: run[0][:2])
        ]
    first: dict[str, View] = {}
    for one in found:
        first.setdefault(one.text, one)
    return tuple(first.values())


def _in_one(seen: View) -> View:
    """Without what sets the letters of a word apart; with the words that homophones and digits stand for."""
    seen = seen.replaced(_SET_APART, lambda run: _BETWEEN_LETTERS.sub("", run[0]))
    seen = _folded_space(seen.without(_WITHIN_WORD).without(_GAP_IN_HAN)).replaced(_ALONE, lambda _: " ")
    return seen.changed((word.start, word.end, word.word) for word in meant(seen.text))


def _folded_space(seen: View) -> View:
    """One space for any white space, one line break between paragraphs."""
    return seen.replaced(_SPACE, lambda gap: "\n" if gap[0].count("\n") > 1 else " ")


def whole_word(text: str, start: int, end: int) -> bool:
    """Whether `start` and `end` are not inside a word. In Chinese every place may be the end of a word."""
    return not any(
        0 < place < len(text) and joins(text[place - 1]) and joins(text[place]) for place in (start, end)
    )
