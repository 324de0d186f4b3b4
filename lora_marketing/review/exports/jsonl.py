"""JSON lines: each text whole, with its findings, its decision and its provenance."""

from __future__ import annotations

from collections.abc import Sequence

from lora_marketing.review.exports import Shipment
from lora_marketing.review.log import Item, canonical

CHANNELS: tuple[str, ...] = ()


def content(items: Sequence[Item], shipment: Shipment) -> bytes:
    """One object a line; `text` is what may be published, `state` tells drafts from the others."""
    return "".join(canonical(item) + "\n" for item in items).encode()
