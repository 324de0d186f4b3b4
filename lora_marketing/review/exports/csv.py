"""CSV for people: one text a row, with its state, its brief and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence

from lora_marketing.common.printable import visible
from lora_marketing.review.exports import Shipment
from lora_marketing.review.log import Item
from lora_marketing.review.sheet import sheet

CHANNELS: tuple[str, ...] = ()
COLUMNS = (
    *("id", "state", "brand", "line", "channel", "field", "product", "text"),
    *("by", "time", "why", "verdict", "adapter", "digest", "seed"),
)


def content(items: Sequence[Item], shipment: Shipment) -> bytes:
    """Cells that begin like a formula get an apostrophe; `sheet.read_sheet` takes it off.

    Control characters are written out, as on a screen; `jsonl` has texts as they are.
    """
    rows = [[visible(cell) for cell in _row(item)] for item in items]
    return sheet(COLUMNS, rows, "as they are" if shipment.literal else "apostrophe")


def _row(item: Item) -> tuple[str, ...]:
    written = item.written
    brief = written.brief
    what = (item.id, item.state, written.brand, written.line, brief.channel, brief.field, brief.product)
    decision = (item.text, item.by, item.time, item.why, item.verdict)
    return (*what, *decision, written.adapter or "", written.digest or "", str(written.seed))
