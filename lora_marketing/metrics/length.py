"""Length: characters, words, and how much of its field a text fills, in the channel's own unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lora_marketing.channels import load_limit
from lora_marketing.channels.counting import count as counted
from lora_marketing.metrics import Counts, Figure, Written
from lora_marketing.metrics._words import words

FIGURES = {
    "characters": Figure("characters", "number"),
    "words": Figure("words", "number"),
    "of_limit": Figure("of the channel's limit", "share"),
}


def count(texts: Sequence[Written]) -> Iterator[Mapping[str, Counts]]:
    """Lengths of each text; the share of the limit where the field has one."""
    for written in texts:
        limit = load_limit(written.brief.channel, written.brief.field)
        found: dict[str, Counts] = {
            "characters": (float(len(written.text)), 1.0),
            "words": (float(len(words(written.text))), 1.0),
        }
        if limit.max is not None:
            found["of_limit"] = (counted(written.text, limit.unit) / limit.max, 1.0)
        yield found
