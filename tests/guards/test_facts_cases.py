"""Facts on labelled sentences: what contradicts is blocked, what nobody gave is reviewed, the same passes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.brands.brand import Brief, load_brand
from lora_marketing.copy.ranking import faithfulness
from lora_marketing.guards import Case, verdict
from lora_marketing.guards.facts import find
from lora_marketing.metrics import MeasuredText
from lora_marketing.metrics.slots import count
from tests.guards.making import TODAY, brand

HERE = Path(__file__).parent
RECIPES = HERE.parent.parent / "recipes/brands"
LOCALES = {"US": "en-US", "GB": "en-GB", "IN": "en-IN", "AU": "en-AU", "DE": "de-DE", "CN": "zh-CN"}


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def judged(row: dict[str, Any]) -> str:
    own = brand(locale=LOCALES[row["market"]], markets=[row["market"]], facts=row.get("facts", []))
    product = "商品" if row["market"] == "CN" else "Bar"
    brief = Brief(product=product, channel="meta_feed", field="primary_text", attributes=row["brief"])
    return verdict(find(row["text"], Case(brief, own, True, TODAY)))


@pytest.mark.parametrize("row", rows("facts_tuned.jsonl"), ids=lambda row: row["text"])
def test_sentences_that_rules_were_tuned_on(row: dict[str, Any]) -> None:
    assert judged(row) == row["right"], row["brief"]


def test_sentences_that_no_rule_was_tuned_on() -> None:
    """Labelled before the rules were written. A failure here is no reason to look for its row."""
    got = [(row["right"], judged(row)) for row in rows("facts_cases.jsonl")]
    wrong = [found for right, found in got if right != "pass"]
    contradictions = [found for right, found in got if right == "block"]
    harmless = [found for right, found in got if right == "pass"]
    assert sum(found != "pass" for found in wrong) >= 0.95 * len(wrong)
    assert contradictions.count("block") >= 0.95 * len(contradictions)
    assert sum(found != "pass" for found in harmless) <= 0.03 * len(harmless)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["ember", "lumen", "shanyu"])
def test_what_a_brand_published_does_not_contradict_its_own_briefs(name: str) -> None:
    folder = RECIPES / name
    own = load_brand(folder / "brand.yaml")
    told = []
    for line in (folder / "texts.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        brief = Brief.model_validate({key: row[key] for key in Brief.model_fields.keys() & row.keys()})
        told += [(row["text"], one.message) for one in find(row["text"], Case(brief, own, True, TODAY))]
    assert told == []


@pytest.mark.parametrize(
    "row", [row for row in rows("facts_tuned.jsonl") if row["right"] == "block"], ids=lambda row: row["text"]
)
def test_what_contradicts_is_not_counted_as_said(row: dict[str, Any]) -> None:
    """Metric and ranking hear what the guard hears."""
    locale = LOCALES[row["market"]]
    brief = Brief(product="Bar", channel="meta_feed", field="primary_text", attributes=row["brief"])
    assert faithfulness(row["text"], brief, locale) < 1
    if "/20" not in row["text"]:  # the metric knows the language, but not in which country 5/3 is in May
        (counted,) = count([MeasuredText(row["text"], brief, "fjord", locale.split("-")[0])])
        assert counted["slot_coverage"][0] < counted["slot_coverage"][1]


@pytest.mark.parametrize(
    ("market", "attributes", "text"),
    [
        ("GB", {"volume": "0.5 l"}, "A bottle of 500 ml."),
        ("GB", {"was": "£60", "price": "£40"}, "£40, down from £60."),
        ("US", {"discount": "up to 50 % off coats"}, "Up to half off coats."),
        ("US", {"offer": "$20 off orders over $100"}, "Spend $100 and save $20."),
        ("DE", {"preis": "1.299,00 €"}, "Für 1299 €."),
        ("DE", {"inhalt": "0,75 l"}, "Mit 750 ml."),
        ("CN", {"满减": "满300减50"}, "满三百元立减五十元。"),
        ("CN", {"月费": "每月25元"}, "25元/月。"),
    ],
)
def test_the_same_in_other_words_is_said(market: str, attributes: dict[str, str], text: str) -> None:
    brief = Brief(product="Bar", channel="meta_feed", field="primary_text", attributes=attributes)
    assert faithfulness(text, brief, LOCALES[market]) == 1
    (counted,) = count([MeasuredText(text, brief, "fjord", LOCALES[market].split("-")[0])])
    assert counted["slot_coverage"] == (len(attributes), len(attributes))
