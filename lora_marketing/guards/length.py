"""Length: finds texts that are too long or too short for their field, in the channel's own unit."""

from __future__ import annotations

from collections.abc import Iterator

from lora_marketing.channels import load_channel, load_limit
from lora_marketing.channels.counting import count
from lora_marketing.channels.structure import AD, Piece, pieces
from lora_marketing.guards import Case, Finding


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find a text, or pieces of an ad, longer or shorter than the field allows."""
    fields = load_channel(case.brief.channel).fields
    for piece in pieces(text, case.brief):
        if case.brief.field != AD or piece.field in fields:
            yield from _of_piece(piece, case.brief.channel)


def _of_piece(piece: Piece, channel: str) -> Iterator[Finding]:
    limit = load_limit(channel, piece.field)
    length, where = count(piece.text, limit.unit), f"{channel} {piece.field}"
    if limit.max is not None and length > limit.max:
        message = f"{length} of {limit.max} {limit.unit}: too long for {where}{limit.unconfirmed}"
        yield Finding(rule="length.long", severity="fix", message=message, span=piece.span())
    if length < limit.min:
        message = f"{length} {limit.unit}: {where} asks for {limit.min}{limit.unconfirmed}"
        yield Finding(rule="length.short", severity="fix", message=message, span=piece.span())
