"""What platforms refuse in a text besides its length, as the pages that the channels' files cite say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from lora_marketing.channels import Ban
from lora_marketing.channels.counting import EMOJI
from lora_marketing.text.bounded import Span

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ARTICLES = (
    "a an the and or but nor for of in on at to by with from as per de la le el en y et und der die das mit"
)
_SMALL = frozenset(_ARTICLES.split())
"""Words that Amazon does not count: articles, conjunctions, prepositions."""
SHOUTED, SHOUTED_WORD = 10, 5
"""Capital letters of a text without small ones, and of each of two words in a row, that are shouting."""
_SHOUTING = re.compile(rf"\b[A-ZÀ-ÖØ-Þ]{{{SHOUTED_WORD},}}(?:\W{{1,3}}[A-ZÀ-ÖØ-Þ]{{{SHOUTED_WORD},}})+\b")
_SPACED = re.compile(r"\b(?:[A-Z][. -]){3,}[A-Z]\b")


_RANKING = re.compile(
    r"(?:#|\bno\. ?|\bnumber )(?:1|one)\b|\b(?:best|top|free|discount(?:ed)?|sale|cashback|\d+ ?% off)\b"
    r"|\b(?:download|install|update|play|try) now\b|\bapp of the (?:year|month)\b|最佳|第一|免费|排名",
    re.IGNORECASE,
)
_REPEATED = re.compile("[!！?？¡¿‼⁇⁈⁉][!！?？‼⁇⁈⁉]+|‼|⁇|[*~^=+$%&@#,;:]{3,}")


def _found(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    return lambda text: (found.span() for found in pattern.finditer(text))


def _emoji(text: str) -> Iterator[Span]:
    return (found.span() for found in EMOJI.finditer(text) if not found[0].isdigit())


def _capitals(text: str) -> Iterator[Span]:
    letters = [letter for letter in text if letter.isalpha()]
    if len(letters) >= SHOUTED and all("A" <= letter <= "Þ" and letter.isupper() for letter in letters):
        yield 0, len(text)
        return
    yield from _found(_SHOUTING)(text)
    yield from _found(_SPACED)(text)


def _three_times(text: str) -> Iterator[Span]:
    said: Counter[str] = Counter()
    for word in _WORD.finditer(text):
        said[word[0].casefold()] += 1
        if said[word[0].casefold()] > 2 and word[0].casefold() not in _SMALL:
            yield word.span()


def _longer(most: int) -> Callable[[str], Iterator[Span]]:
    return _found(re.compile(rf"[^\W_]{{{most + 1},}}"))


BANS: Mapping[Ban, tuple[str, Callable[[str], Iterator[Span]]]] = {
    "emoji": ("no emoji", _emoji),
    "braces": ("no { or }", _found(re.compile("[{}｛｝]"))),
    "hash": ("no #", _found(re.compile("[#＃]"))),
    "repeated_marks": ("no mark twice in a row", _found(_REPEATED)),
    "all_capitals": ("no words in capitals alone", _capitals),
    "amazon_signs": ("none of ! $ ? _ { } ^ ¬ ¦", _found(re.compile("[!$?_{}^¬¦！？＄]"))),
    "word_three_times": ("no word more than twice", _three_times),
    "store_ranking": ("no rank, price or promotion (best, #1, free)", _found(_RANKING)),
    "word_over_22": ("no word of more than 22 letters", _longer(22)),
    "word_over_23": ("no word of more than 23 letters", _longer(23)),
}
"""By name: what the platform asks for, and where a text breaks it."""
