"""Slot errors: whether a text says each attribute value of its brief once, and no other values.

`text.values` decides whether a value is said. Errors are counted as in the slot error rate of data-to-text
work: an attribute is missing, repeated, or invented (the text says another value that the attribute has in
the data set). An attribute counts at most once in each of the three ways.
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
    """Counts per attribute of the brief: said, in error, repeated, and invented if other values are known."""
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
    """Numbers of attributes that are missing, that have an invented value, and that are repeated."""
    text, own = written.text, written.brief.attributes
    said = {
        name: attribute_spans(name, value, text, written.wordings, written.language or "en")
        for name, value in own.items()
    }
    missing = sum(not spans for spans in said.values())
    repeated = sum(min(map(len, spans)) > 1 for spans in said.values() if spans)
    return missing, sum(_invented(written)), repeated


def _invented(written: MeasuredText) -> Iterator[bool]:
    """For each known attribute, whether the text says a value that is in neither brief nor facts."""
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
    """The values of each attribute in the data set, without the brief's own value."""
    own, known = written.brief.attributes, written.known or {}
    found = {
        name: [value for value in values if not same(value, own.get(name, ""), written.language or "en")]
        for name, values in known.items()
    }
    return {name: others for name, others in found.items() if others}


def _given(written: MeasuredText) -> list[Span]:
    """Spans of the text that say something from the brief or from the brand's facts."""
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
