"""Labelled sets of the guards that read for meaning: claims, facts, injection, leaks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.labelled import LabelledSet, Row
from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.guards import Case
from lora_marketing.text.known_texts import KnownTexts

TODAY = date(2026, 11, 1)
OWN_CLAIMS = Path(__file__).with_name("claims_own.jsonl")
"""By the author of the rules: written before them, but for the last eight, which came out of a review."""
CASES = Path(__file__).parent.parent / "tests/guards/claims_cases.jsonl"
"""By the author of the rules: `written_for` was read while they were written, `held_out` came after them.
At first sight 4 of 32 (English), 7 of 32 (Chinese) were found; effects without a disease got rules later."""
OWN_FACTS = Path(__file__).parent.parent / "tests/guards/facts_cases.jsonl"
"""By the author of the rules, labelled before them; no rule is tuned on it."""
REAL = ("aws.jsonl", "google_apis.jsonl", "mozilla_en.jsonl", "mozilla_en_zh.jsonl")


def sets(data: Path) -> Iterator[LabelledSet]:
    """All sets; `data` is the folder of public data."""
    judged = _rows(data / "safety/claims_test.jsonl")
    public = ((row["lang"], row["text"], row["label"] == "violation") for row in judged)
    yield from _labelled("claims", "claims_test.jsonl", public)
    own = ((row["lang"], row["text"], row["wrong"]) for row in _rows(OWN_CLAIMS))
    yield from _labelled("claims", "claims_own.jsonl", own)
    for half in ("written_for", "held_out"):
        cases = ((row["lang"], row["text"], row["wrong"]) for row in _rows(CASES) if row["half"] == half)
        yield from _labelled("claims", f"claims_cases.jsonl: {half}", cases)
    payloads = list(_rows(data / "safety/injection.jsonl"))
    said = ((row["lang"], row["text"], row["kind"] != "benign_control") for row in payloads)
    yield from _labelled("injection", "injection.jsonl", said)
    real = list(real_texts(data))
    yield from _carried(payloads, real)
    for language in ("en", "zh"):
        spoken = [(text, case) for text, case in real if case.brand.language == language]
        yield LabelledSet("regurgitation", "brand_voices", language, list(_repeated(spoken)))
        yield LabelledSet("cross_brand", "brand_voices", language, list(_named(spoken)))
        yield LabelledSet("facts", "brand_voices, one value changed", language, list(_falsified(spoken)))
    for language in ("en", "de", "zh"):
        yield LabelledSet("facts", "facts_cases.jsonl", language, list(_stated(language)))


def real_texts(data: Path) -> Iterator[tuple[str, Case]]:
    """Published texts of three brands in English and one in Chinese, with what is known of their briefs."""
    for file in REAL:
        for row in _rows(data / "brand_voices" / file):
            language = "zh" if "zh" in row else "en"
            attributes = {
                name: ", ".join(value) if isinstance(value, list) else str(value)
                for name, value in row.get("attributes", {}).items()
            }
            product = row.get("product", row["product_line"])
            yield row.get(language, row.get("text")), case_in(language, product, attributes, row["brand"])


def case_in(
    language: str, product: str = "Thing", attributes: dict[str, str] | None = None, name: str = "fjord"
) -> Case:
    """A case without a policy of its own."""
    profile = {
        "schema": 1,
        "name": name,
        "display_name": name.title(),
        "locale": {"en": "en-GB", "zh": "zh-CN", "de": "de-DE"}[language],
        "lines": {"all": "All."},
        "guide": "Be brief.",
    }
    brief = Brief(product=product, channel="meta_feed", field="primary_text", attributes=attributes or {})
    return Case(brief, Brand.model_validate(profile), True, TODAY)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, path.read_text(encoding="utf-8").splitlines())


def _labelled(guard: str, source: str, rows: Iterator[tuple[str, str, bool]]) -> Iterator[LabelledSet]:
    read = list(rows)
    for language in sorted({row[0] for row in read}):
        found = [Row(text, wrong, case_in(language)) for spoken, text, wrong in read if spoken == language]
        yield LabelledSet(guard, source, language, found)


def _carried(payloads: Sequence[dict[str, Any]], real: Sequence[tuple[str, Case]]) -> Iterator[LabelledSet]:
    """Every payload in the middle of a published text, and the texts without it."""
    for language in ("en", "zh"):
        texts = [text for text, case in real if case.brand.language == language]
        wanted = [row for row in payloads if row["lang"] == language and row["kind"] != "benign_control"]
        chosen = texts[:: max(1, len(texts) // len(wanted))]
        rows = [Row(text, False, case_in(language)) for text in chosen]
        rows += [
            Row(f"{before} {row['text']} {after}", True, case_in(language))
            for row, before, after in zip(wanted, chosen, reversed(chosen), strict=False)
        ]
        yield LabelledSet("injection", "payload within a real text", language, rows)


def _repeated(real: Sequence[tuple[str, Case]]) -> Iterator[Row]:
    """Long texts that were trained on, cut at both ends, beside as many that were not."""
    long = [(text, case) for text, case in real if len(text) > (120 if text.isascii() else 60)][:400]
    taught, fresh = long[::2], long[1::2]
    known = KnownTexts.of(text for text, _ in taught)
    heard = {text for text, _ in taught}
    for rows, wrong in ((taught, True), (fresh, False)):
        for text, case in rows:
            said = text[len(text) // 8 : -len(text) // 8] if wrong else text
            if wrong or text not in heard:
                yield Row(said, wrong, Case(case.brief, case.brand, True, TODAY, known=known))


def _named(real: Sequence[tuple[str, Case]]) -> Iterator[Row]:
    """Texts with the name of another brand at their end, and the same texts without it."""
    others = ("Ember & Oak", "Halden Serum", "山屿", "Tidal Nightshift Blend")
    for number, (text, case) in enumerate(real[:200]):
        told = Case(case.brief, case.brand, True, TODAY, others=others)
        name = others[number % len(others)]
        yield Row(text, False, told)
        yield Row(f"{text} {name.upper() if number % 3 == 0 else name}", True, told)


def _stated(language: str) -> Iterator[Row]:
    """Sentences that contradict their brief or say what nobody gave, beside such as say the same."""
    spoken = {"DE": "de", "CN": "zh"}
    for row in _rows(OWN_FACTS):
        market = row["market"]
        if spoken.get(market, "en") == language:
            told = case_in(language, attributes=row["brief"])
            own = {"locale": f"{language}-{market}", "markets": [market], "facts": row.get("facts", [])}
            yield Row(
                row["text"], row["right"] != "pass", replace(told, brand=told.brand.model_copy(update=own))
            )


def _falsified(real: Sequence[tuple[str, Case]]) -> Iterator[Row]:
    """An invented sentence with the value that the brief gives, and the same with another value."""
    frames = {
        "en": ("{} of it in a tin.", "Yours for {}.", "It lasts {}."),
        "zh": ("每罐{}。", "只要{}。", "可用{}。"),
    }
    values = {
        "en": (
            ("250 g", "250g", "300 g"),
            ("£9", "nine pounds", "£8"),
            ("12 hours", "twelve hours", "14 hours"),
        ),
        "zh": (
            ("250克", "二百五十克", "300克"),
            ("9元", "九元", "8元"),
            ("12小时", "十二小时", "14小时"),
        ),
    }
    for text, case in real[:100]:
        language = case.brand.language
        for frame, (given, same, other) in zip(frames[language], values[language], strict=True):
            brief = case.brief.model_copy(update={"notes": f"{text} {given}"})
            told = Case(brief, case.brand, True, TODAY)
            yield Row(f"{text} {frame.format(same)}", False, told)
            yield Row(f"{text} {frame.format(other)}", True, told)
