"""Slots: are the brief's attribute values said, each once, and no other value in their place?

A value is said if all its listed things are (`cocoa, molasses`), in any spelling that `_values` knows or
in a wording that somebody lists for it. `yes` and `no` are said by the attribute's name, with or without
a negation near it in its clause. Errors are counted as in slot error rates of data-to-text work: missing,
said again, or another value of the set said instead or besides (an attribute errs at most once in each way).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from lora_marketing.metrics import Counts, Figure, MeasuredText, Values
from lora_marketing.metrics._values import Place, clauses, parts, places, spelled

YES = frozenset({"yes", "true", "是", "有"})
NO = frozenset({"no", "false", "否", "无"})
_NEGATION = re.compile(
    r"\s(?:not|no|non|never|without|cannot|neither|nor"
    r"|(?:is|are|was|were|do|does|did|has|have|had|ca|could|wo|would|should|must|need|ai)nt)(?: \S+){0,2} \Z"
    r"|[不没无非未] (?:\S ){0,2}\Z"
)

FIGURES = {
    "slot_coverage": Figure("attributes said", "share", "more"),
    "slot_errors": Figure("slot errors by attributes", "share", "less"),
    "slots_invented": Figure("values nobody asked for, by attributes", "share", "less"),
    "slots_repeated": Figure("attributes said again", "share", "less"),
}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """Attributes said, missing, invented (where another value is known) and repeated, of those asked for."""
    for written in texts:
        asked = len(written.brief.attributes)
        if asked:
            missing, invented, repeated = slot_errors(written)
            found: dict[str, Counts] = {
                "slot_coverage": (float(asked - missing), float(asked)),
                "slot_errors": (float(missing + invented + repeated), float(asked)),
                "slots_repeated": (float(repeated), float(asked)),
            }
            if _others(written):
                found["slots_invented"] = (float(invented), float(asked))
            yield found
        else:
            yield {}


def slot_errors(written: MeasuredText) -> tuple[int, int, int]:
    """Attributes of the brief that are missing, attributes with an invented value, and repeated ones."""
    text = clauses(written.text)
    own = written.brief.attributes
    said = {name: _said(name, value, text, written.wordings or {}) for name, value in own.items()}
    missing = sum(not found for found in said.values())
    repeated = sum(min(map(len, found)) > 1 for found in said.values() if found)
    return missing, sum(_invented(written, text)), repeated


def _said(name: str, value: str, text: str, wordings: Mapping[str, Values]) -> Sequence[Sequence[Place]]:
    """Where each thing of a value is said; nothing unless all are, or one of its wordings is."""
    if value.strip().casefold() in YES | NO:
        found = _flag(name, value.strip().casefold() in YES, text, wordings)
        return [found] if found else []
    listed = [
        place for other in wordings.get(name, {}).get(value, ()) for place in places(spelled(other), text)
    ]
    things = [places(part, text) for part in parts(value)]
    if things and all(things):
        return things if not listed else [_apart([*listed, *things[0]]), *things[1:]]
    return [_apart(listed)] if listed else []


def _flag(name: str, wanted: bool, text: str, wordings: Mapping[str, Values]) -> list[Place]:
    """Where the text says that the attribute holds (or does not, if that is `wanted`)."""
    named = wordings.get(name, {})
    says = {True: [name], False: []}
    for value, others in named.items():
        says[value.strip().casefold() in YES].extend(others)
    denied = [place for other in says[False] for place in places(spelled(other), text)]
    affirmed: list[Place] = []
    for place in (place for other in says[True] for place in places(spelled(other), text)):
        if any(start <= place[0] and place[1] <= end for start, end in denied):
            continue
        (denied if _NEGATION.search(text[: place[0]]) else affirmed).append(place)
    return _apart(affirmed if wanted else denied)


def _apart(found: Sequence[Place]) -> list[Place]:
    """Places that do not overlap, the longest first of those that begin together."""
    kept: list[Place] = []
    for place in sorted(found, key=lambda place: (place[0], -place[1])):
        if not kept or place[0] >= kept[-1][1]:
            kept.append(place)
    return kept


def _invented(written: MeasuredText, text: str) -> Iterator[bool]:
    """For each known attribute, whether the text says a value of it that nothing it was given has."""
    given = _given(written, text)
    wordings = written.wordings or {}
    for name, others in _others(written).items():
        yield any(
            found and all(any(not _within(place, given) for place in thing) for thing in found)
            for found in (_said(name, value, text, wordings) for value in others)
        )


def _others(written: MeasuredText) -> Values:
    """The known values of each attribute that are not the brief's own."""
    own, known = written.brief.attributes, written.known or {}
    found = {
        name: [value for value in values if spelled(value) != spelled(own.get(name, ""))]
        for name, values in known.items()
    }
    return {name: others for name, others in found.items() if others}


def _given(written: MeasuredText, text: str) -> list[Place]:
    """Every place of the text that says something out of the brief or the brand's facts."""
    brief, wordings = written.brief, written.wordings or {}
    found = [
        place
        for name, value in brief.attributes.items()
        for thing in _said(name, value, text, wordings)
        for place in thing
    ]
    for words in (brief.product, brief.audience, brief.notes, *brief.attributes.values(), *written.facts):
        for part in parts(words):
            found += places(part, text)
    return found + _facts_said(text, tuple(written.facts))


@lru_cache(maxsize=4096)
def _facts_said(text: str, facts: Sequence[str]) -> list[Place]:
    """Numbers with their unit that a fact has too: a fact is rarely said in its own words."""
    measured = re.compile(r"(?<=\s)\d[\d.]* \S+(?=\s)")
    known = {found[0] for fact in facts for found in measured.finditer(spelled(fact))}
    return [found.span() for found in measured.finditer(text) if found[0] in known]


def _within(place: Place, given: Sequence[Place]) -> bool:
    return any(start <= place[0] and place[1] <= end for start, end in given)
