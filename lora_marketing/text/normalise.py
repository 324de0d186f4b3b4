"""Gives texts that read the same one spelling, in which each letter knows its place in the original text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from unicodedata import category, normalize

from lora_marketing.text.bounded import normalized
from lora_marketing.text.scripts import HAN
from lora_marketing.text.spelling import joins, plain

_SIGNS = str.maketrans("\u2010\u2011\u2018\u2019\u201c\u201d", "--''\"\"")
_BETWEEN_HAN = re.compile(
    rf"(?<=[{HAN}])(?:[ \t\u3000*·_|~^]+(?=[{HAN}])|([-./、,])(?=[{HAN}]\1[{HAN}]))"
    rf"|(?<=[{HAN}]([-./、,])[{HAN}])\2(?=[{HAN}])"
)
"""Signs between Chinese characters that do not end a word. Signs that also separate the items of a list are
taken out only between single characters."""
_DISGUISED = re.compile(r"(?<![a-z0-9])[a-z][a-z013457@$]*[013457@$][a-z013457@$]*")
LONGEST_LETTER = 8
"""The most letters that one sign is expanded to; a few Arabic signs stand for whole sentences."""
_LETTERS = str.maketrans("013457@$", "oieastas")


@dataclass(frozen=True)
class View:
    """A text in one spelling.

    Args:
        text: the text in lower case, half width, plain quotes and simplified Chinese, without accents and
            invisible characters, with Latin letters for look-alikes of other alphabets.
        places: for each letter of `text`, its index in the original text; None if all are the same.
    """

    text: str
    places: tuple[int, ...] | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original text of what is from `start` to `end` in `self.text`."""
        if self.places is None or start == end:
            return start, end
        return self.places[start], self.places[end - 1] + 1

    def without(self, unwanted: re.Pattern[str]) -> View:
        """This view without the matches of `unwanted`."""
        cuts = [match.span() for match in unwanted.finditer(self.text)]
        if not cuts:
            return self
        gone = {place for start, end in cuts for place in range(start, end)}
        kept = [place for place in range(len(self.text)) if place not in gone]
        places = self.places or range(len(self.text))
        return View("".join(self.text[place] for place in kept), tuple(places[place] for place in kept))


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


def undisguised(text: str) -> View:
    """Like `view`, but reads through disguises: `pr1ce` becomes `price`, and 国 家 级 becomes 国家级."""
    seen = view(text).without(_BETWEEN_HAN)
    return View(_DISGUISED.sub(_as_letters, seen.text), seen.places)


def _as_letters(word: re.Match[str]) -> str:
    """Replace digits and signs in a word by letters, at its end only a 0 (`n0`, but not `top1`)."""
    found = word.group()
    inner = found.rstrip("13457@$")
    return inner.translate(_LETTERS) + found[len(inner) :]


def whole_word(text: str, start: int, end: int) -> bool:
    """Whether `start` and `end` are not inside a word. In Chinese every place may be the end of a word."""
    return not any(
        0 < place < len(text) and joins(text[place - 1]) and joins(text[place]) for place in (start, end)
    )
