"""Meta Ads Manager: one ad a row, for its import of ads in bulk.

Headers as Ads Manager writes them when it exports ads: Title is the headline, Body the primary text
(seen in public exports of 2024 to 2026, read 2026-11-23; Meta documents them behind a login only). The
import fills what an ad says; objective, budget and image belong to the campaign that the row names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lora_marketing.common.errors import Problem
from lora_marketing.review.exports import ExportedAd, Shipment, ads, ids_of, import_sheet, state_of
from lora_marketing.review.log import Item

CHANNELS = ("meta_feed",)
FIELDS = (("headline", "Title"), ("primary_text", "Body"), ("description", "Link Description"))
COLUMNS = (
    *("Campaign Name", "Ad Set Name", "Ad Name", "Ad Status"),
    *(title for _, title in FIELDS),
    *("Link", "Tags"),
)


def content(items: Sequence[Item], shipment: Shipment) -> bytes:
    """The first text of every field is the first ad, and so on; a field with fewer texts begins again.

    Ads are paused, and their names end in the ids of their texts, so that results can be read back.
    """
    found = ads(items)
    problems: list[Problem] = [problem for ad in found for problem in ad.problems()]
    if shipment.ship and not shipment.url:
        problems.append(Problem("an ad needs a landing page", fix="--url https://..."))
    rows = [] if problems else [row for ad in found for row in _rows(ad, shipment)]
    return import_sheet(COLUMNS, rows, problems, shipment.literal)


def _rows(ad: ExportedAd, shipment: Shipment) -> Iterator[list[str]]:
    for used in ad.variants():
        texts = [used[field].text if field in used else "" for field, _ in FIELDS]
        name = f"{ad.brief.product} {'+'.join(ids_of(used.values()))}"
        named = [shipment.campaign or ad.brand, shipment.group or ad.brief.product, name, "PAUSED"]
        yield [*named, *texts, shipment.url, state_of(used.values())]
