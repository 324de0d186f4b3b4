"""Finds terms in a text in any spelling, in two ways.

`folded` gives spellings that are certainly the same word one form. More text never changes the form of the
text before it, so that a text can be checked while it is generated. A `Finder` searches a finished text and
sees through disguises: look-alike letters, digits for letters, spaced letters, traditional characters and
plurals.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal
from unicodedata import combining, name, normalize

from lora_marketing.text.bounded import Apart, normalized
from lora_marketing.text.disguises import with_and, with_letters_for_signs
from lora_marketing.text.homophones import meant, never_meant
from lora_marketing.text.scripts import has_han, unbroken


@dataclass(frozen=True)
class TermPlace:
    """Start and end (exclusive) of a term in a folded text."""

    start: int
    end: int


_PLAIN_SIGNS = str.maketrans("\u2010\u2011\u2018\u2019", "--''")
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Unicode's Default_Ignorable_Code_Point: soft hyphens, zero-width spaces and joiners, and the like."""
_OTHER_ALPHABETS = re.compile("[\u0250-\u02af\u0370-\u058f\u13a0-\u13ff]")
"""Phonetic, Greek, Cyrillic, Armenian and Cherokee letters, of which many look like Latin ones."""


def folded(text: str) -> str:
    """One spelling of `text`, whatever its case, width, accents, look-alike letters, hyphens and spaces.

    Decomposed, so that more text never changes how the text before it is spelled. Chinese is simplified,
    and letters that are only written for another one (蕞) are that one.
    """
    if not text.isascii():
        text = normalized("NFKD", _UNSEEN.sub("", text)).translate(_PLAIN_SIGNS)
    text = normalized("NFKD", text.casefold())
    if _OTHER_ALPHABETS.search(text):
        text = text.translate(_latin_by_letter())
    if has_han(text):
        text = "".join(map(_simple, text)).translate(never_meant())
    return re.sub(r"\s+", " ", text)


@lru_cache(maxsize=16384)
def _simple(letter: str) -> str:
    return _simplifier()(letter) if has_han(letter) else letter


@lru_cache(maxsize=1024)
def folded_term(term: str) -> str:
    """`term` as it is spelled in a folded text, without spaces around it."""
    return folded(term).strip()


def unfolded(text: str, place: int) -> int:
    """The index in `text` of the letter that is at index `place` in `folded(text)`."""
    return bisect_right(_folded_sizes(text), place)


@lru_cache(maxsize=4)
def _folded_sizes(text: str) -> tuple[int, ...]:
    """The folded length of `text` up to and including each letter. Runs of spaces fold to one space."""
    sizes: list[int] = []
    size, spaced = 0, False
    for letter in text:
        spelled = _folded_letter(letter)
        size += len(spelled) - (spaced and spelled.startswith(" "))
        spaced = spelled.endswith(" ") if spelled else spaced
        sizes.append(size)
    return tuple(sizes)


@lru_cache(maxsize=16384)
def _folded_letter(letter: str) -> str:
    return folded(letter)


def places(term: str, text: str) -> Iterator[TermPlace]:
    """Every place where the folded `term` is in the folded `text` as whole words."""
    start = text.find(term)
    while start >= 0:
        end = start + len(term)
        if not within_word(text, start) and not within_word(text, end):
            yield TermPlace(start, end)
        start = text.find(term, start + 1)


def within_word(text: str, position: int) -> bool:
    """Whether the characters on both sides of `position` belong to one word or to one letter."""
    if not 0 < position < len(text):
        return False
    return _clings(text[position]) or (joins(text[position - 1]) and joins(text[position]))


def _clings(letter: str) -> bool:
    """Whether `letter` is a part of the letter before it: an accent, a voicing mark or a Hangul jamo."""
    return combining(letter) > 0 or "\u1160" <= letter <= "\u11ff"


def joins(letter: str) -> bool:
    """Whether `letter` can be part of a word of a script that separates words by spaces."""
    word = letter.isalnum() or letter == "_" or combining(letter) > 0
    return word and not unbroken(letter)


@dataclass(frozen=True)
class Reading:
    """One way to read a text: its plain letters and digits only, with the index in `text` of each."""

    text: str
    letters: str
    origins: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span in the text of the letters from `start` to `end`."""
        return self.origins[start], self.origins[end - 1] + 1

    def gap(self, at: int) -> str:
        """The visible signs and spaces between the letter at `at` and the letter before it."""
        between = _UNSEEN.sub("", self.text[self.origins[at - 1] + 1 : self.origins[at]])
        return "".join(sign for sign in between if not sign.isalnum() and not combining(sign))

    def edge(self, at: int) -> bool:
        """Whether a word may begin or end before the letter at `at`."""
        if self.apart(at):
            return True
        return not (joins(self.letters[at - 1]) and joins(self.letters[at]))

    def apart(self, at: int) -> bool:
        """Whether there is no letter before the one at `at`, or something visible between the two."""
        return not 0 < at < len(self.letters) or self.gap(at) != ""


_DRAWN_OUT = re.compile(r"([^\W\d_])\1{2,}", re.IGNORECASE)


@lru_cache(maxsize=32)
def readings(text: str) -> tuple[Reading, ...]:
    """All ways to read `text`: as it is, with signs as letters, with repeated letters cut to one or two."""
    found = [_read(text, range(len(text)), text)]
    found += [_read(said, range(len(text)), text) for said in with_letters_for_signs(text)]
    for kept in (1, 2) if _DRAWN_OUT.search(text) else ():
        cut = {at for run in _DRAWN_OUT.finditer(text) for at in range(run.start() + kept, run.end())}
        left = [at for at in range(len(text)) if at not in cut]
        found.append(_read("".join(text[at] for at in left), left, text))
    return (*found, *_meant(found[0]))


def _meant(reading: Reading) -> Iterator[Reading]:
    """The reading with the words that homophones, pinyin and digits stand for, if there are any."""
    letters: list[str] = []
    origins: list[int] = []
    done = 0
    for word in meant(reading.letters):
        letters += [reading.letters[done : word.start], word.word]
        last = reading.origins[word.end - 1]
        origins += [
            *reading.origins[done : word.start],
            reading.origins[word.start],
            *[last] * (len(word.word) - 1),
        ]
        done = word.end
    if done:
        yield Reading(
            reading.text, "".join((*letters, reading.letters[done:])), [*origins, *reading.origins[done:]]
        )


def _read(spelled: str, origins: Sequence[int], text: str) -> Reading:
    letters: list[str] = []
    places: list[int] = []
    for at, sign in zip(origins, spelled, strict=True):
        for letter in plain(sign):
            letters.append(letter)
            places.append(at)
    return Reading(text, "".join(letters), places)


@lru_cache(maxsize=16384)
def plain(sign: str) -> str:
    """What one character reads as: lower-case letters and digits without accents, simplified; else empty.

    Letters of other alphabets that look like Latin ones become Latin (Unicode's confusables).
    """
    if sign.isascii():
        return sign.casefold() if sign.isalnum() else ""
    if _UNSEEN.match(sign):
        return ""
    found = "".join(_plain_letter(letter) for letter in normalize("NFKC", sign))
    return "".join(letter for letter in found if letter.isalnum())


def _plain_letter(letter: str) -> str:
    if unbroken(letter):
        return _simple(letter)
    bare = normalize("NFKD", letter)[0]
    for spelled in (bare, bare.casefold()):
        if latin := _look_alikes().get(spelled) or _named_latin(spelled):
            return latin
    return bare.casefold()


def _named_latin(letter: str) -> str:
    """The Latin letter in a sign's Unicode name (a letter with a stroke or in a circle), or empty."""
    if letter.isascii():
        return letter.casefold()
    named = re.fullmatch(r".*(?:LATIN|SYMBOL)\b.* LETTER ([A-Z])(?: WITH .*)?", name(letter, ""))
    return named[1].casefold() if named else ""


@cache
def _simplifier() -> Callable[[str], str]:
    from opencc import OpenCC

    return OpenCC("t2s").convert


@cache
def _look_alikes() -> dict[str, str]:
    """The Latin letters that a letter of another alphabet looks like, by that letter."""
    from confusable_homoglyphs.confusables import confusables_data

    return {
        letter: latin[0].casefold()
        for letter, alike in confusables_data.items()
        if not letter.isascii() and letter.isalpha() and not unbroken(letter)
        if (latin := [one["c"] for one in alike if one["c"].isascii() and one["c"].isalpha()])
    }


@cache
def _latin_by_letter() -> dict[int, str]:
    """A table for `str.translate` from lower-case letters that look Latin, or whose capitals do, to Latin."""
    pairs = _look_alikes().items()
    alike = {letter: latin for letter, latin in pairs if len(latin) == 1 and _OTHER_ALPHABETS.match(letter)}
    small = {letter: latin for letter, latin in alike.items() if letter == letter.casefold()}
    return str.maketrans({letter.casefold(): latin for letter, latin in alike.items()} | small)


Edges = Literal["word", "apart", "none"]
"""What must be around a term: the edge of a word, no letter of any script, or anything."""


@dataclass(frozen=True)
class Spelled:
    """A term that was found in a text, in some spelling.

    `sure` is False where the letters are there, but may be parts of other words or go across a comma.
    """

    term: str
    span: tuple[int, int]
    sure: bool


class Finder:
    """Finds terms in a text in any spelling, in a time that does not depend on the number of terms.

    Args:
        terms: the terms to find.
        inflected: whether plurals, possessives, -ed and -ing forms of Latin terms are found, too.
        edges: what must be around a term.
    """

    def __init__(self, terms: Sequence[str], *, inflected: bool = True, edges: Edges = "word") -> None:
        from ahocorasick_rs import AhoCorasick

        self._edges = edges
        self._order = {term: at for at, term in reversed(list(enumerate(terms)))}
        self._patterns = [
            (term, written, letters)
            for term in filter(_told_by_letters, terms)
            for written in with_and(term)
            for letters in (forms(letters_of(written)) if inflected else (letters_of(written),))
        ]
        self._breaks = {written: _breaks(written) for _, written, _ in self._patterns}
        self._signs = [term for term in terms if not _told_by_letters(term)]
        self._automaton = AhoCorasick([letters for _, _, letters in self._patterns])

    def find(self, text: str) -> list[Spelled]:
        """Every term in `text`, in its order; of terms that share letters the widest, then the first."""
        found = {
            spelled
            for reading in readings(text)
            for index, start, end in self._automaton.find_matches_as_indexes(
                reading.letters, overlapping=True
            )
            if (spelled := self._judged(reading, *self._patterns[index][:2], start, end))
        }
        return widest(sorted([*found, *self._exact(text)], key=lambda one: self._order[one.term]))

    def _exact(self, text: str) -> Iterator[Spelled]:
        """Find the terms that letters alone do not identify, such as `C++`, in folded spelling."""
        spelled = folded(text) if self._signs else ""
        for term in self._signs:
            for place in places(folded_term(term), spelled):
                yield Spelled(term, (unfolded(text, place.start), unfolded(text, place.end)), True)

    def _judged(self, reading: Reading, term: str, written: str, start: int, end: int) -> Spelled | None:
        if not (self._edges == "none" or self._stands(reading, start, end)):
            return None
        signs = _signs(reading, start, end)
        if 3 * signs >= 2 * (end - start) and end - start - signs < 2:
            return None  # a number
        gaps = {at - start: gap for at in range(start + 1, end) if (gap := reading.gap(at))}
        sure = not gaps or _sure(reading.letters[start:end], gaps, self._breaks[written])
        return None if sure is None else Spelled(term, reading.span(start, end), sure)

    def _stands(self, reading: Reading, start: int, end: int) -> bool:
        stands = reading.apart if self._edges == "apart" else reading.edge
        return stands(start) and stands(end)


def forms(word: str) -> Iterator[str]:
    """`word` and, if it is Latin, its plural or possessive, and its -ed and -ing forms."""
    yield word
    if len(word) < 3 or not (word.isascii() and word.isalpha()):
        return
    if re.search(r"[^aeiou]y$", word):
        yield from (word[:-1] + "ies", word[:-1] + "ied", word + "ing", word + "s")
    elif word.endswith("e"):
        yield from (word + "s", word + "d", word[:-1] + "ing")
    else:
        short = re.fullmatch(r"[^aeiou]*[aeiou][^aeiouwxy]", word)  # plan, planned
        stem = word + word[-1] if short else word
        yield from (word + "s", stem + "ed", stem + "ing")
        if re.search(r"(s|x|z|ch|sh|o)$", word):
            yield word + "es"


def letters_of(term: str) -> str:
    """The plain letters and digits of `term`, without signs and spaces."""
    return _read(term, range(len(term)), term).letters


def _breaks(term: str) -> dict[int, str]:
    """The signs and spaces inside a term, by the number of letters before them."""
    reading = _read(term, range(len(term)), term)
    return {at: gap for at in range(1, len(reading.letters)) if (gap := reading.gap(at))}


def _told_by_letters(term: str) -> bool:
    """Whether a term can be recognised by its letters alone, unlike `C++` and `a.c`."""
    letters = letters_of(term)
    signs = re.search(r"[^\w\s'’-]", term)
    return len(letters) >= (4 if signs else 2) or any(map(unbroken, letters))


def _signs(reading: Reading, start: int, end: int) -> int:
    """Number of letters that are written as digits or signs."""
    return sum(
        reading.letters[at].isalpha()
        and (sign := reading.text[reading.origins[at]]).isascii()
        and not sign.isalpha()
        for at in range(start, end)
    )


_CLAUSE = re.compile(r"[。，、；：！？\n]")


def _sure(letters: str, gaps: dict[int, str], breaks: dict[int, str]) -> bool | None:
    """Whether letters with these gaps are the term: surely (True), perhaps (False), or not (None)."""
    odd = [gap for at, gap in gaps.items() if at not in breaks or not _alike(gap, breaks[at])]
    if not odd:
        return True
    if any(map(unbroken, letters)):
        return not any(map(_CLAUSE.search, odd))
    if len(gaps) == len(letters) - 1:  # every letter stands alone
        return True if len(letters) > 2 else None
    spaced = [gap for gap in odd if re.search(r"\s", gap)]
    if not spaced:
        return True
    return False if len(letters) > 5 and not any(gap.strip() for gap in spaced) else None


def _alike(gap: str, usual: str) -> bool:
    return gap.isspace() or normalize("NFKC", gap).split() == usual.split()


def widest(found: Iterable[Spelled]) -> list[Spelled]:
    """Drop overlapping finds: sure ones are kept before others, then longer ones before shorter ones."""
    ordered = sorted(found, key=lambda one: (not one.sure, one.span[0] - one.span[1], one.span))
    taken = Apart()
    return sorted((term for term in ordered if taken.take(*term.span)), key=lambda term: term.span)
