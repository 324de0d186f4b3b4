"""Mailchimp: settings of email campaigns, one campaign a row.

Mailchimp imports contacts from CSV, not campaigns. Columns are named after `settings` of its API's
campaigns (subject_line, preview_text, title; https://mailchimp.com/developer/marketing/api/campaigns/,
names as in its clients, read 2026-11-23), for whatever creates the campaigns from rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lora_marketing.common.errors import Problem
from lora_marketing.review.exports import ExportedAd, Shipment, ads, ids_of, import_sheet, state_of
from lora_marketing.review.log import Item

CHANNELS = ("email",)
FIELDS = (("subject", "subject_line"), ("preheader", "preview_text"))
COLUMNS = ("title", *(title for _, title in FIELDS), "review")


def content(items: Sequence[Item], shipment: Shipment) -> bytes:
    """Every subject is a campaign; its title ends in the id, so that results can be read back."""
    found = ads(items)
    problems: list[Problem] = [problem for ad in found for problem in ad.problems()]
    rows = [row for ad in found for row in _rows(ad, shipment)]
    return import_sheet(COLUMNS, rows, problems, shipment.literal)


def _rows(ad: ExportedAd, shipment: Shipment) -> Iterator[list[str]]:
    for used in ad.variants():
        texts = [used[field].text if field in used else "" for field, _ in FIELDS]
        title = f"{shipment.campaign or ad.brand} {ad.brief.product} {'+'.join(ids_of(used.values()))}"
        yield [title, *texts, state_of(used.values())]
