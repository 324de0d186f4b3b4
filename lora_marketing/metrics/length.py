"""Length: characters, words, and the share of the channel's limit that a text uses.

The share is computed in the limit's own unit. For a whole ad, characters and words are summed over its
pieces, and the share is the mean over its pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from lora_marketing.brands.brand import Brief
from lora_marketing.channels import Limit, load_limit
from lora_marketing.channels.counting import count as counted
from lora_marketing.channels.structure import AD, ad_fields
from lora_marketing.metrics import Counts, Figure, MeasuredText
from lora_marketing.text.words import words

FIGURES = {
    "characters": Figure("characters", "number"),
    "words": Figure("words", "number"),
    "of_limit": Figure("of the channel's limit", "share"),
}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """Lengths of each text, and its share of the limit if the field has one; nothing for an unreadable ad."""
    for written in texts:
        pieces, limits = written.pieces, _limits(written.brief)
        found: dict[str, Counts] = {}
        if pieces:
            found["characters"] = (float(sum(len(piece.text) for piece in pieces)), 1.0)
            found["words"] = (float(len(words(written.text))), 1.0)
        shares = [
            counted(piece.text, limit.unit) / limit.max
            for piece in pieces
            if (limit := limits.get(piece.field)) and limit.max
        ]
        if shares:
            found["of_limit"] = (fmean(shares), 1.0)
        yield found


def _limits(brief: Brief) -> Mapping[str, Limit]:
    if brief.field == AD:
        return ad_fields(brief.channel)
    return {brief.field: load_limit(brief.channel, brief.field)}
