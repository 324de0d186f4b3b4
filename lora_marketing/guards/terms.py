"""Terms: finds banned terms, names of competitors, and misspellings of the brand's own name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache

from lora_marketing.brands.brand import Brand
from lora_marketing.guards import Case, Finding, Severity
from lora_marketing.text.spelling import Finder, letters_of

KINDS = {"banned": "a banned term", "competitor": "the name of a competitor"}
_ADDRESS = re.compile(r"[.-]\w|@")
LONG_NAME = 7
"""From this many letters on, a name is also found with one wrong letter."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find banned terms and competitors in any spelling, and a misspelled name of the brand.

    Uncertain finds are reviewed: letters of a term that may be other words (`to get her`) or that go across a
    comma, and a competitor's long name with one typing error.
    """
    brand = case.brand
    yield from _forbidden(text, "banned", tuple(brand.banned_terms))
    rivals = list(_forbidden(text, "competitor", tuple(brand.competitors)))
    yield from rivals
    yield from _slips(text, case, {one.span[0] for one in rivals if one.span})
    yield from _own_name(text, brand)


def _forbidden(text: str, kind: str, terms: tuple[str, ...]) -> Iterator[Finding]:
    if not terms:
        return
    for one in _finder(terms).find(text):
        severity: Severity = "block" if one.sure else "review"
        message = f'"{one.term}" is {KINDS[kind]}'
        yield Finding(rule=f"terms.{kind}", severity=severity, message=message, span=one.span)


@lru_cache(maxsize=64)
def _finder(terms: tuple[str, ...]) -> Finder:
    return Finder(terms)


def _slips(text: str, case: Case, known: Collection[int]) -> Iterator[Finding]:
    """Find long names of competitors with one typing error, except at the start indices `known`."""
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract_iter

    names = {name: letters_of(name) for name in case.brand.competitors}
    names = {name: bare for name, bare in names.items() if len(bare) >= LONG_NAME and bare.isascii()}
    if not names:
        return
    own = set(_words(" ".join((case.brand.display_name, case.brief.product, *case.brand.facts))))
    words = {word: span for word, span in _words(text).items() if word not in own}
    for name, bare in names.items():
        for word, distance, _ in extract_iter(bare, words.keys(), scorer=OSA.distance, score_cutoff=1):
            if distance and words[word][0] not in known:
                message = f'this reads like "{name}", the name of a competitor'
                yield Finding(rule="terms.competitor", severity="review", message=message, span=words[word])


def _words(text: str) -> dict[str, tuple[int, int]]:
    return {letters_of(found[0]): found.span() for found in re.finditer(r"[\w'’-]+", text)}


def _own_name(text: str, brand: Brand) -> Iterator[Finding]:
    """Find the brand's name in another spelling than its own, except in addresses and tags."""
    name = brand.display_name
    before, after = (len(re.split(r"[^\W_]", way, maxsplit=1)[0]) for way in (name, name[::-1]))
    for one in _name_finder(name).find(text):
        start, end = one.span
        signed = text[max(0, start - before) : end + after]  # as the `!` of `Yahoo!`
        written = (" ".join(said.split()) for said in (text[start:end], signed))
        address = text[start - 1 : start] in tuple("@#/.-_") or _ADDRESS.match(text, end)
        if one.sure and not address and not any(map(brand.may_be_called, written)):
            message = f'the brand is written "{name}"'
            yield Finding(
                rule="terms.spelling", severity="fix", message=message, span=one.span, suggestion=name
            )


@lru_cache(maxsize=64)
def _name_finder(name: str) -> Finder:
    return Finder((name,), inflected=False)
