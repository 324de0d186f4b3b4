"""All guards together: who is asked, how grave it is taken, and what follows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.common.errors import UnknownName
from lora_marketing.guards import GRAVITY, Case, Finding, findings, guard_names, load_guard, verdict
from tests.guards.making import case


def rules(text: str, **brand: Any) -> list[tuple[str, str]]:
    found = findings(text, case(**brand), ["terms", "length"])
    return [(one.rule, one.severity) for one in found]


def test_every_file_is_a_guard() -> None:
    assert {"terms", "length", "unfinished"} <= set(guard_names())
    for name in guard_names():
        assert all(finding.rule.split(".")[0] == name for finding in load_guard(name).find("x", case()))


def test_findings_are_as_grave_as_the_brand_takes_them() -> None:
    text = "A Miracle, fjordsuds."
    assert rules(text) == [("terms.banned", "block"), ("terms.competitor", "block")]
    assert rules(text, severities={"terms": "review"}) == [
        ("terms.banned", "review"),
        ("terms.competitor", "review"),
    ]
    own = {"terms.banned": "off", "terms": "fix"}
    assert rules(text, severities=own) == [("terms.competitor", "fix")]


@pytest.mark.parametrize("gravest", range(len(GRAVITY)))
def test_the_gravest_finding_decides(gravest: int) -> None:
    found = [Finding(rule="a", severity=one, message="b") for one in GRAVITY[1 : gravest + 1]]
    assert verdict(found) == verdict(reversed(found)) == GRAVITY[gravest]


def test_a_guard_that_is_not_there() -> None:
    with pytest.raises(UnknownName, match="terms"):
        findings("x", case(), ["term"])


@pytest.mark.parametrize(
    "text",
    [
        '{"headline": ["Ember, a miracle", "b","c"], "description": ["d',
        '{"headline": ["山屿", "Miracle',
        '{"headline": ["a", "b", "c"], "description": ["d", "e"], "note": ["Ember", "miracle"]}',
    ],
)
def test_a_broken_ad_is_looked_at_as_it_is(text: str) -> None:
    asked = replace(case({"channel": "google_rsa", "field": "ad"}), others=("Ember", "山屿"))
    found = {one.rule: one.span for one in findings(text, asked)}
    assert {"structure.json", "cross_brand.name", "terms.banned"} <= found.keys()
    assert found["terms.banned"] is not None
    assert text[slice(*found["terms.banned"])].lower() == "miracle"


def test_a_case_is_of_today() -> None:
    brand = Brand.model_validate(case().brand.model_dump(by_alias=True))
    assert Case(Brief(product="Bar", channel="sms", field="text"), brand).today == date.today()
