"""Names of several capitals and model numbers that nothing given has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rapidfuzz.distance import OSA

from lora_marketing.guards import Finding
from lora_marketing.guards._facts_known import Known, plain_model
from lora_marketing.text.bounded import Spans, matches

_NAME = re.compile(r"(?<![.!?:;。\n\"“'’] )(?<!^)\b[A-Z][a-z]+(?:[ -](?:[A-Z][a-z]+|[A-Z]*\d+\w*|[IVX]+))+\b")
_MODEL = re.compile(
    r"(?<![A-Za-z\d])[A-Z]{1,5}-?\d{2,}[A-Z\d]*(?:-[A-Z\d]+)*(?![A-Za-z\d])(?!-[A-Z\d])"
    r"(?P<series>[- ]?(?:series|range|family|Serie|Reihe|系列))?"
)
_WORD = re.compile(r"\b[A-Za-z]\w{3,}")
_FIRST = re.compile(r"(?:^|[.!?:;。\n] ?)\W*[A-Za-z]\w*")
_NO_NAMES = frozenset({"de"})
"""Languages in which every noun has a capital."""
SLIPS = 2
"""Signs in which a model number may differ from a given one and is taken for a slip of it."""


def names(text: str, known: Known, dates: Spans) -> Iterator[Finding]:
    """Every name that is not known: a person checks it. A month with its year is none."""
    if known.region.language in _NO_NAMES:
        return
    found = [name for name in matches(_NAME, text) if not dates.touch(*name.span())]
    if _titled(text, Spans(name.span() for name in found)):
        return
    for name in found:
        if not all(part in known.text for part in re.split(r"[ -]", name.group().casefold())):
            message = f'"{name.group()}" is a name that is neither in the brief nor in the profile'
            yield Finding(rule="facts.name", severity="review", message=message, span=name.span())


def models(text: str, known: Known) -> Iterator[Finding]:
    """A model number that is nearly a given one is not published; any other new one a person checks."""
    for found in matches(_MODEL, text):
        written = found.group().removesuffix(found["series"] or "")
        said = plain_model(written)
        if said in known.models or (found["series"] and any(one.startswith(said) for one in known.models)):
            continue
        near = min(known.models, key=lambda one: OSA.distance(said, one), default="")
        span = (found.start(), found.start() + len(written))
        if near and _slip(said, near):
            given = known.models[near]
            message = f'"{written}" is not the model that is given: "{given}"'
            yield Finding(rule="facts.name", severity="block", message=message, span=span, suggestion=given)
        elif not all(part in known.text for part in re.split(r"[ -]", written.casefold())):
            message = f'"{written}" is a name that is neither in the brief nor in the profile'
            yield Finding(rule="facts.name", severity="review", message=message, span=span)


def _slip(said: str, given: str) -> bool:
    letters, others = (re.match("[a-z]*", one) for one in (said, given))
    alike = letters and others and letters[0] == others[0]
    return bool(alike) and (
        OSA.distance(said, given) <= SLIPS or given.startswith(said) or said.startswith(given)
    )


def _titled(text: str, named: Spans) -> bool:
    """Whether every word has a capital; the names in question and first words say nothing of that."""
    first = Spans(found.span() for found in matches(_FIRST, text))
    words = [
        found.group()
        for found in matches(_WORD, text)
        if not named.cover(*found.span()) and not first.cover(*found.span())
    ]
    return sum(word[0].isupper() for word in words) * 2 > len(words) or not words
