"""Slots: are the brief's attribute values said, each once, and no other value in their place?

What counts as said is `text.values`' answer. Errors are counted as in slot error rates of data-to-text work:
missing, said again, or another value of the set said instead or besides (an attribute errs at most once in
each way).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lora_marketing.metrics import Counts, Figure, MeasuredText, Values
from lora_marketing.text.bounded import Span, Spans
from lora_marketing.text.values import any_spans, attribute_spans, measured, same

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
    text, own = written.text, written.brief.attributes
    said = {
        name: attribute_spans(name, value, text, written.wordings, written.language or "en")
        for name, value in own.items()
    }
    missing = sum(not spans for spans in said.values())
    repeated = sum(min(map(len, spans)) > 1 for spans in said.values() if spans)
    return missing, sum(_invented(written)), repeated


def _invented(written: MeasuredText) -> Iterator[bool]:
    """For each known attribute, whether the text says a value of it that nothing it was given has."""
    given = Spans(_given(written))
    for name, others in _others(written).items():
        said = (
            attribute_spans(name, value, written.text, written.wordings, written.language or "en")
            for value in others
        )
        yield any(
            spans and all(any(not given.cover(*place) for place in thing) for thing in spans)
            for spans in said
        )


def _others(written: MeasuredText) -> Values:
    """The known values of each attribute that are not the brief's own."""
    own, known = written.brief.attributes, written.known or {}
    found = {
        name: [value for value in values if not same(value, own.get(name, ""), written.language or "en")]
        for name, values in known.items()
    }
    return {name: others for name, others in found.items() if others}


def _given(written: MeasuredText) -> list[Span]:
    """Every place of the text that says something out of the brief or the brand's facts."""
    brief, text = written.brief, written.text
    found = [
        place
        for name, value in brief.attributes.items()
        for thing in attribute_spans(name, value, text, written.wordings, written.language or "en")
        for place in thing
    ]
    for words in (brief.product, brief.audience, brief.notes, *brief.attributes.values(), *written.facts):
        found += any_spans(words, text, written.language or "en")
    return found + measured(text, written.facts, written.language or "en")
