"""Google Ads Editor: responsive search ads, one a row.

Editor knows columns by their English headers, whatever their case and spaces; an empty cell changes
nothing (https://support.google.com/google-ads/editor/answer/57747, read 2026-11-23). That page lists the
frequent headers only; those of responsive search ads are as Editor writes them when it exports such ads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lora_marketing.channels import load_limit
from lora_marketing.common.errors import Problem
from lora_marketing.review.exports import ExportedAd, Shipment, ads, import_sheet, state_of
from lora_marketing.review.log import Item

CHANNELS = ("google_rsa",)
FIELDS = (("headline", "Headline", 15), ("description", "Description", 4), ("path", "Path", 2))
COLUMNS = (
    *("Campaign", "Ad Group", "Ad type"),
    *(f"{title} {number}" for _, title, most in FIELDS for number in range(1, most + 1)),
    *("Final URL", "Status", "Comment"),
)


def content(items: Sequence[Item], shipment: Shipment) -> bytes:
    """Headlines and descriptions of one brief become one ad, paused. `Comment` tells drafts and ids."""
    found = ads(items)
    problems = [problem for ad in found for problem in _problems(ad)]
    if shipment.ship and not shipment.url:
        problems.append(Problem("an ad needs a landing page", fix="--url https://..."))
    rows = [] if problems else [_row(ad, shipment) for ad in found]
    return import_sheet(COLUMNS, rows, problems, shipment.literal)


def _problems(ad: ExportedAd) -> Iterator[Problem]:
    yield from ad.problems()
    for field, _, most in FIELDS:
        limit, size = load_limit("google_rsa", field), len(ad.texts(field))
        least = limit.count_min or 0
        if not least <= size <= most:
            what, allowed = f"{ad.brand}, {ad.brief.product}: {field}s", f"{least} to {most}"
            yield Problem(what, got=str(size), allowed=allowed, fix="write more, or export by id")


def _row(ad: ExportedAd, shipment: Shipment) -> list[str]:
    cells = [shipment.campaign or ad.brand, shipment.group or ad.brief.product, "Responsive search ad"]
    for field, _, most in FIELDS:
        texts = ad.texts(field)
        cells += texts + [""] * (most - len(texts))
    told = state_of(said for texts in ad.fields.values() for said in texts)
    return [*cells, shipment.url, "Paused", told]
