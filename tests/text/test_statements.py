"""What words around a quantity make of it, where they are near, and where they are not meant so."""

from __future__ import annotations

import pytest

from lora_marketing.text.normalise import view
from lora_marketing.text.regions import region_of
from lora_marketing.text.statements import statements


@pytest.mark.parametrize(
    ("text", "locale", "read"),
    [
        ("Was £40, now £60.", "en", ["before exact", "now exact"]),
        ("The flask was £26.", "en", [" exact"]),
        ("Reduced from £60 to £40", "en", ["before exact", "now exact"]),
        ("£10 off orders over £60", "en", ["discount exact", "threshold over"]),
        ("Free over £40, else £3 delivery", "en", ["threshold over", "fee exact"]),
        ("Over £40 the delivery is ours", "en", ["threshold over"]),
        ("from £5, up to 9 hours, at least 3 kg", "en", [" from", " up to", " at least"]),
        ("Statt 80 € jetzt ab 60 €", "de", ["before exact", "now from"]),
        ("bis zu 40 % sparen", "de", ["discount up to"]),
        ("原价399元，到手299元起", "zh", ["before exact", "now from"]),
        ("低至五折，不到200元", "zh", ["discount up to", " under"]),
        ("满300减50", "zh", ["threshold exact", "discount exact"]),
        ("第二件半价", "zh", ["second exact"]),
    ],
)
def test_roles_and_bounds(text: str, locale: str, read: list[str]) -> None:
    assert [f"{one.role} {one.bound}" for one in statements(view(text), region_of(locale))] == read


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("$9 a month", "month"),
        ("$9/mo", "month"),
        ("monatlich nur 9 €", "month"),
        ("每年25元", "year"),
        ("25元/人", "person"),
        ("£9 a bag", "bag"),
        ("£9 a mouthful", ""),
    ],
)
def test_what_it_is_counted_by(text: str, rate: str) -> None:
    (one,) = statements(view(text), region_of("de" if "monat" in text else "en"))
    assert one.rate == rate


def test_no_word_of_another_clause_is_read() -> None:
    first, second = statements(view("Save time. Now £9. Up to you; 5 kg."))
    assert (first.role, first.bound, second.bound) == ("now", "exact", "exact")
