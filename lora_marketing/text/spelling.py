"""How one word can be spelled: folding for terms that must never be written, readings for disguised ones.

`folded` keeps to what is certainly the same word, and more text never changes it, so that a text can be
judged while it is written. A `Finder` reads a finished text as a person would who knows the tricks:
look-alike letters, digits for letters, letters set apart, traditional characters, plurals.
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
    """Where a term stands in a folded text."""

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
    """One spelling for what reads the same: case, full width, accents, look-alikes, hyphens, spaces.

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
    """A term as `folded` spells it in a text."""
    return folded(term).strip()


def unfolded(text: str, place: int) -> int:
    """Where in `text` stands what stands at `place` when it is folded."""
    return bisect_right(_folded_sizes(text), place)


@lru_cache(maxsize=4)
def _folded_sizes(text: str) -> tuple[int, ...]:
    """How long every beginning of `text` is when it is folded; but for spaces, each letter adds its own."""
    sizes: list[int] = []
    size, spaced = 0, False
    for letter in text:
        said = _folded_letter(letter)
        size += len(said) - (spaced and said.startswith(" "))
        spaced = said.endswith(" ") if said else spaced
        sizes.append(size)
    return tuple(sizes)


@lru_cache(maxsize=16384)
def _folded_letter(letter: str) -> str:
    return folded(letter)


def places(term: str, text: str) -> Iterator[TermPlace]:
    """Where the folded `term` stands in the folded `text` as whole words."""
    start = text.find(term)
    while start >= 0:
        end = start + len(term)
        if not within_word(text, start) and not within_word(text, end):
            yield TermPlace(start, end)
        start = text.find(term, start + 1)


def within_word(text: str, position: int) -> bool:
    """True if the letters on both sides of `position` belong to one word, or are one letter."""
    if not 0 < position < len(text):
        return False
    return _clings(text[position]) or (joins(text[position - 1]) and joins(text[position]))


def _clings(letter: str) -> bool:
    """An accent, a voicing mark, or a vowel or final consonant of a Hangul syllable."""
    return combining(letter) > 0 or "\u1160" <= letter <= "\u11ff"


def joins(letter: str) -> bool:
    """Whether it is part of a word that has spaces around it."""
    word = letter.isalnum() or letter == "_" or combining(letter) > 0
    return word and not unbroken(letter)


@dataclass(frozen=True)
class Reading:
    """One way to read a text: nothing but its plain letters, and where each stands in the text."""

    text: str
    letters: str
    origins: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The part of the text that these letters were read from."""
        return self.origins[start], self.origins[end - 1] + 1

    def gap(self, at: int) -> str:
        """What stands between the letter at `at` and the one before it, as far as one sees it."""
        between = _UNSEEN.sub("", self.text[self.origins[at - 1] + 1 : self.origins[at]])
        return "".join(sign for sign in between if not sign.isalnum() and not combining(sign))

    def edge(self, at: int) -> bool:
        """Whether a word may begin or end here."""
        if self.apart(at):
            return True
        return not (joins(self.letters[at - 1]) and joins(self.letters[at]))

    def apart(self, at: int) -> bool:
        """Whether the letter is set apart from the one before it, or there is none."""
        return not 0 < at < len(self.letters) or self.gap(at) != ""


_DRAWN_OUT = re.compile(r"([^\W\d_])\1{2,}", re.IGNORECASE)


@lru_cache(maxsize=32)
def readings(text: str) -> tuple[Reading, ...]:
    """Every way to read `text`: as it stands, with signs taken for letters, with drawn-out letters cut."""
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


def _read(said: str, origins: Sequence[int], text: str) -> Reading:
    letters: list[str] = []
    places: list[int] = []
    for at, sign in zip(origins, said, strict=True):
        for letter in plain(sign):
            letters.append(letter)
            places.append(at)
    return Reading(text, "".join(letters), places)


@lru_cache(maxsize=16384)
def plain(sign: str) -> str:
    """The letters and digits that `sign` reads as: small, without accents, simplified; none for others.

    Other alphabets' letters that look like Latin ones become those (Unicode's confusables).
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
    """The Latin letter in a sign's name: a stroke through it, a square or a circle around it."""
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
    """Letters of other alphabets by the Latin letter that they look like."""
    from confusable_homoglyphs.confusables import confusables_data

    return {
        letter: latin[0].casefold()
        for letter, alike in confusables_data.items()
        if not letter.isascii() and letter.isalpha() and not unbroken(letter)
        if (latin := [one["c"] for one in alike if one["c"].isascii() and one["c"].isalpha()])
    }


@cache
def _latin_by_letter() -> dict[int, str]:
    """For `str.translate`: small letters of other alphabets that look Latin, or whose capitals do."""
    pairs = _look_alikes().items()
    alike = {letter: latin for letter, latin in pairs if len(latin) == 1 and _OTHER_ALPHABETS.match(letter)}
    small = {letter: latin for letter, latin in alike.items() if letter == letter.casefold()}
    return str.maketrans({letter.casefold(): latin for letter, latin in alike.items()} | small)


Edges = Literal["word", "apart", "none"]
"""What has to stand around a term: the end of a word, no letter of any script, or nothing."""


@dataclass(frozen=True)
class Spelled:
    """A term in some spelling.

    `sure` is False where the letters stand there, but as other words, or across a comma.
    """

    term: str
    span: tuple[int, int]
    sure: bool


class Finder:
    """Finds terms in any spelling; the time it takes does not depend on how many terms there are.

    Args:
        terms: what to look for.
        inflected: whether plurals, possessives, -ed and -ing of Latin terms count too.
        edges: what has to stand around a term.
    """

    def __init__(self, terms: Sequence[str], *, inflected: bool = True, edges: Edges = "word") -> None:
        from ahocorasick_rs import AhoCorasick

        self._edges = edges
        self._patterns = [
            (term, written, letters)
            for term in filter(_tells, terms)
            for written in with_and(term)
            for letters in (forms(letters_of(written)) if inflected else (letters_of(written),))
        ]
        self._breaks = {written: _breaks(written) for _, written, _ in self._patterns}
        self._signs = [term for term in terms if not _tells(term)]
        self._automaton = AhoCorasick([letters for _, _, letters in self._patterns])

    def find(self, text: str) -> list[Spelled]:
        """Every term in `text`, in its order; of terms that share letters the widest."""
        found = {
            spelled
            for reading in readings(text)
            for index, start, end in self._automaton.find_matches_as_indexes(
                reading.letters, overlapping=True
            )
            if (spelled := self._judged(reading, *self._patterns[index][:2], start, end))
        }
        return widest([*found, *self._exact(text)])

    def _exact(self, text: str) -> Iterator[Spelled]:
        """Terms that letters alone do not tell, as they are spelled."""
        said = folded(text) if self._signs else ""
        for term in self._signs:
            for place in places(folded_term(term), said):
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
    """`word` and, if it is Latin, its plural, its possessive, and what it is as a regular verb."""
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
    """The letters and digits of a term as they read, without what stands between them."""
    return _read(term, range(len(term)), term).letters


def _breaks(term: str) -> dict[int, str]:
    """What stands between letters of a term, by the number of letters before it."""
    reading = _read(term, range(len(term)), term)
    return {at: gap for at in range(1, len(reading.letters)) if (gap := reading.gap(at))}


def _tells(term: str) -> bool:
    """Whether letters alone tell the term: `C++` is no C, nor is `a.c` an AC."""
    letters = letters_of(term)
    signs = re.search(r"[^\w\s'’-]", term)
    return len(letters) >= (4 if signs else 2) or any(map(unbroken, letters))


def _signs(reading: Reading, start: int, end: int) -> int:
    """How many letters are read from digits and signs."""
    return sum(
        reading.letters[at].isalpha()
        and (sign := reading.text[reading.origins[at]]).isascii()
        and not sign.isalpha()
        for at in range(start, end)
    )


_CLAUSE = re.compile(r"[。，、；：！？\n]")


def _sure(letters: str, gaps: dict[int, str], breaks: dict[int, str]) -> bool | None:
    """Whether letters with such gaps are the term for sure, perhaps (False) or certainly not (None)."""
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
    """Sure ones before others and long ones before short ones; nothing within another one."""
    ordered = sorted(
        found, key=lambda one: (not one.sure, one.span[0] - one.span[1], one.span, -len(one.term))
    )
    taken = Apart()
    return sorted((one for one in ordered if taken.take(*one.span)), key=lambda one: one.span)
