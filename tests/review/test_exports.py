"""What ships, and how it looks to the program that takes it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.common.errors import LoraMarketingError, NotApproved, ReviewError, UnknownName
from lora_marketing.review import Item
from lora_marketing.review.exports import Shipment, export_names, exported
from lora_marketing.review.sheet import read_sheet
from tests.review.making import copy, decide, put_up

SHIP = Shipment(ship=True, url="https://tidal.example/bar")


def items(
    folder: Path, *texts: tuple[str, str], channel: str = "google_rsa", state: Any = "approved"
) -> list[Item]:
    """Texts of (field, text), all decided as `state`."""
    db = folder / "review.db"
    put = put_up(db, *(copy(text, {"channel": channel, "field": field}) for field, text in texts))
    return put if state == "pending" else [decide(db, item, state) for item in put]


def table(raw: bytes) -> list[dict[str, str]]:
    """As an importer reads it."""
    assert raw.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))


RSA = (
    *(("headline", text) for text in ("It floats", "90 g of soap", "香皂会浮在水上")),
    *(("description", text) for text in ("A bar for the bath, not for the sea.", "洗得干净，浮得起来。")),
    ("path", "soap"),
)


def test_headlines_and_descriptions_of_a_product_are_one_ad(tmp_path: Path) -> None:
    found = items(tmp_path, *RSA)
    (row,) = table(exported("google-ads", found, SHIP))
    assert [row[f"Headline {n}"] for n in (1, 2, 3, 4)] == ["It floats", "90 g of soap", "香皂会浮在水上", ""]
    assert (row["Description 2"], row["Path 1"], row["Path 2"]) == ("洗得干净，浮得起来。", "soap", "")
    assert (row["Campaign"], row["Ad Group"], row["Ad type"]) == ("tidal", "Bar", "Responsive search ad")
    assert (row["Final URL"], row["Status"]) == (SHIP.url, "Paused")
    assert row["Comment"] == "approved: " + " ".join(item.id[:16] for item in found)
    assert len(row) == 3 + 15 + 4 + 2 + 3


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        (RSA[1:], "headlines\n    got: 2\n    allowed: 3 to 15"),
        (RSA[:4], "descriptions\n    got: 1"),
        ((*RSA, *(("headline", f"Bar {n}") for n in range(13))), "got: 16"),
        ((*RSA, ("headline", "它" * 16)), "too long for a headline"),
        ((*RSA, ("headline", "=SUM(A1)")), "Headline 4 begins like a formula"),
    ],
)
def test_ads_that_google_would_refuse(tmp_path: Path, texts: Any, what: str) -> None:
    with pytest.raises(ReviewError, match=what):
        exported("google-ads", items(tmp_path, *texts), SHIP)


def test_an_ad_has_no_headline_twice_and_a_landing_page(tmp_path: Path) -> None:
    found = items(tmp_path, *RSA)
    twice = decide(tmp_path / "review.db", found[0], "edited", text="90 g of soap")
    with pytest.raises(ReviewError) as caught:
        exported("google-ads", [twice, *found[1:]], Shipment(ship=True))
    assert [problem.what for problem in caught.value.problems] == [
        "the ad has this headline twice",
        "an ad needs a landing page",
    ]


def test_a_whole_ad_is_a_row_of_its_own(tmp_path: Path) -> None:
    whole = json.dumps({"headline": ["一", "二", "三"], "description": ["四", "五"]}, ensure_ascii=False)
    found = items(tmp_path, *RSA, ("ad", whole))
    rows = table(exported("google-ads", found, SHIP))
    assert [row["Headline 3"] for row in rows] == ["香皂会浮在水上", "三"]
    assert rows[1]["Comment"] == f"approved: {found[-1].id[:16]}"
    broken = items(tmp_path, ("ad", "{"))
    with pytest.raises(LoraMarketingError, match=f"{broken[0].id[:16]}: not JSON"):
        exported("google-ads", broken, SHIP)


@pytest.mark.parametrize("name", export_names())
@pytest.mark.parametrize("state", ["pending", "rejected"])
def test_what_is_not_approved_does_not_ship(tmp_path: Path, name: str, state: str) -> None:
    channel, field = {"google-ads": ("google_rsa", "headline"), "mailchimp": ("email", "subject")}.get(
        name, ("meta_feed", "headline")
    )
    good = items(tmp_path, (field, "Good"), channel=channel)
    bad = items(tmp_path, (field, "Bad 1"), (field, "坏"), channel=channel, state=state)
    with pytest.raises(NotApproved) as caught:
        exported(name, [*good, *bad], SHIP)
    assert [problem.what for problem in caught.value.problems] == [f"{i.id[:16]} is {state}" for i in bad]
    assert caught.value.exit_code == 1


def test_drafts_are_marked_and_rejected_texts_left_out(tmp_path: Path) -> None:
    db = tmp_path / "review.db"
    found = items(tmp_path, *RSA, state="pending")
    some = [decide(db, item, "approved") for item in found[1:]]
    gone = items(tmp_path, ("headline", "Gone"), state="rejected")
    (row,) = table(exported("google-ads", [found[0], *some, *gone], Shipment()))
    assert row["Comment"] == f"DRAFT, not approved: {found[0].id[:16]}"
    assert row["Headline 4"] == ""
    states = [row["state"] for row in read_sheet(exported("csv", [found[0], *some, *gone], Shipment()))]
    assert states == ["pending"] + ["approved"] * 5


def test_meta_gets_one_ad_for_every_text(tmp_path: Path) -> None:
    texts = (("headline", "Floats"), ("headline", "浮"), ("primary_text", "Two lines.\nOf text."))
    found = items(tmp_path, *texts, channel="meta_feed")
    rows = table(exported("meta", found, SHIP))
    assert [(row["Title"], row["Body"], row["Link Description"]) for row in rows] == [
        ("Floats", "Two lines.\nOf text.", ""),
        ("浮", "Two lines.\nOf text.", ""),
    ]
    assert rows[1]["Ad Name"] == f"Bar {found[1].id[:16]}+{found[2].id[:16]}"


def test_mailchimp_gets_subjects(tmp_path: Path) -> None:
    (one, two) = items(tmp_path, ("subject", "It floats"), ("subject", "浮起来了"), channel="email")
    rows = table(exported("mailchimp", [one, two], Shipment(campaign="Spring")))
    assert [row["subject_line"] for row in rows] == ["It floats", "浮起来了"]
    assert rows[1]["title"] == f"Spring Bar {two.id[:16]}"


def test_a_plus_reaches_the_importer_only_as_it_is(tmp_path: Path) -> None:
    found = items(tmp_path, ("headline", "+50 % foam"), channel="meta_feed")
    with pytest.raises(ReviewError, match="Title begins like a formula"):
        exported("meta", found, SHIP)
    (row,) = table(exported("meta", found, Shipment(literal=True)))
    assert row["Title"] == "+50 % foam"
    assert b"'+50 % foam" in exported("csv", found, SHIP)
    assert read_sheet(exported("csv", found, SHIP))[0]["text"] == "+50 % foam"


def test_json_lines_hold_everything(tmp_path: Path) -> None:
    found = items(tmp_path, ("headline", "浮"), ("primary_text", "a\u2028b"), channel="meta_feed")
    lines = exported("jsonl", found, SHIP).decode().split("\n")
    assert [Item.model_validate_json(line) for line in lines if line] == found


def test_nothing_to_export(tmp_path: Path) -> None:
    found = items(tmp_path, ("headline", "Floats"), channel="meta_feed")
    with pytest.raises(ReviewError, match="nothing to export"):
        exported("google-ads", found, SHIP)
    with pytest.raises(UnknownName, match='did you mean "meta"'):
        exported("meto", found, SHIP)
