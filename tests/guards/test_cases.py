"""Texts that were once judged wrongly, each with what is right; and claims that rules never saw."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.brands.brand import Brief
from lora_marketing.guards import Case, findings, verdict
from tests.guards.making import TODAY, brand

HERE = Path(__file__).parent
LOCALES = {"US": "en-US", "GB": "en-GB", "CN": "zh-CN", "DE": "de-DE", "JP": "ja-JP"}
RIGHT = {
    "pass": {"pass"},
    "block": {"block"},
    "review or block": {"review", "block"},
    "found": {"fix", "review", "block"},
    "not block": {"pass", "review"},
}


def _rows(name: str) -> Iterator[dict[str, Any]]:
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _verdict(text: str, guard: str, market: str, others: tuple[str, ...] = ()) -> str:
    brief = Brief(product="Bar", channel="meta_feed", field="primary_text")
    own = brand(locale=LOCALES[market], markets=[market])
    return verdict(findings(text, Case(brief, own, True, TODAY, others=others), [guard]))


@pytest.mark.parametrize("row", list(_rows("cases.jsonl")), ids=lambda row: f"{row['guard']}: {row['text']}")
def test_the_guard_says_what_is_right(row: dict[str, Any]) -> None:
    others = tuple(filter(None, [row.get("other")]))
    assert _verdict(row["text"], row["guard"], row["market"], others) in RIGHT[row["right"]], row["why"]


@pytest.mark.parametrize(
    ("half", "lang", "found", "stopped"),
    [
        ("written_for", "en", 74, 0),
        ("written_for", "zh", 76, 0),
        ("held_out", "en", 12, 1),
        ("held_out", "zh", 16, 1),
    ],
)
def test_unlawful_copy_is_found_and_lawful_copy_passes(
    half: str, lang: str, found: int, stopped: int
) -> None:
    """So many at least are found, so many lawful ones at most stopped; no rule was written for `held_out`."""
    told: dict[bool, list[bool]] = {True: [], False: []}
    for row in _rows("claims_cases.jsonl"):
        if (row["half"], row["lang"]) == (half, lang):
            market = "CN" if lang == "zh" else "GB"
            told[row["wrong"]].append(_verdict(row["text"], "claims", market) != "pass")
    assert sum(told[True]) >= found
    assert sum(told[False]) <= stopped
