"""Ranking: each part against what it says, and the order that follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.brands.brand import Brief
from lora_marketing.channels import Limit
from lora_marketing.copy.ranking import Weights, faithfulness, field_fit, length_fit, likeness, rank
from tests.making import property_test

SMS = Brief(product="Bar", channel="sms", field="text", attributes={"price": "£6", "weight": "90 g"})


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("For £6, 90 g of soap.", 1),
        ("For £6.", 0.5),
        ("For £60, 190 g.", 0),
        ("Ｆor £６, 90 G", 1),
        ("Soap.", 0),
    ],
)
def test_faithfulness_is_the_share_of_attributes_said(text: str, share: float) -> None:
    assert faithfulness(text, SMS) == share


def test_words_may_be_inflected_and_chinese_has_no_spaces() -> None:
    brief = SMS.model_copy(update={"attributes": {"scent": "Sea salts", "挂法": "快拆卡扣"}})
    assert faithfulness("It smells of sea salt. 配快拆卡扣。", brief) == 1
    assert faithfulness("", SMS.model_copy(update={"attributes": {}})) == 1


def test_length_fits_best_at_the_recommended_length_else_at_the_limit() -> None:
    assert length_fit("x" * 160, SMS) == 1
    assert length_fit("x" * 80, SMS) == 0.5
    headline = Brief(product="Bar", channel="meta_feed", field="headline")
    assert length_fit("x" * 40, headline) == 1 > length_fit("x" * 80, headline) == 0.5
    ad = '{"headline": ["xxxxxxxxxxxxxxx"], "description": ["香香香香香香香香香"]}'
    assert length_fit(ad, Brief(product="Bar", channel="google_rsa", field="ad")) == (0.5 + 0.2) / 2


def test_the_second_text_is_another_one() -> None:
    texts = [
        "It floats for £6, all 90 g of it.",
        "It floats for £6, all 90 g of it!",
        "Only £6 buys 90 g now.",
    ]
    assert [place for place, _ in rank(texts, SMS, 2)] == [0, 2]
    assert likeness(texts[0], texts[1]) > 0.9


def test_the_voice_decides_as_much_as_it_weighs() -> None:
    texts = ["For £6, 90 g.", "For £6."]
    assert rank(texts, SMS, 1, voices=[0.2, 1.0])[0][0] == 1
    assert rank(texts, SMS, 1, voices=[0.2, 1.0], weights=Weights(voice=0.1))[0][0] == 0
    assert rank(texts, SMS, 1)[0][1].voice is None


@property_test
@given(
    st.lists(st.tuples(st.text("ab £690g香", max_size=12), st.floats(0, 1)), max_size=5), st.integers(0, 6)
)
def test_every_part_lies_between_0_and_1(found: list[tuple[str, float]], wanted: int) -> None:
    ranked = rank([text for text, _ in found], SMS, wanted, voices=[voice for _, voice in found])
    assert len({place for place, _ in ranked}) == min(wanted, len(found))
    for _, parts in ranked:
        assert all(0 <= value <= 1.000001 for value in parts.model_dump().values())
    totals = [parts.total for _, parts in ranked]
    assert totals == sorted(totals, reverse=True)


def test_the_parts_of_a_text_and_their_mean() -> None:
    """0.4 voice, 0.3 faithfulness, 0.2 diversity and 0.1 length, or the last three among themselves."""
    texts = ["x" * 80, "x" * 40 + "y" * 40]
    (_, best), (_, other) = rank(texts, SMS, 2, voices=[0.9, 0.4])
    assert (best.voice, best.faithfulness, best.diversity, best.length) == (0.9, 0, 1, 0.5)
    assert best.total == pytest.approx(0.4 * 0.9 + 0.2 + 0.1 * 0.5)
    assert other.diversity == 1 - likeness(*texts) == 0.5
    assert other.total == pytest.approx(0.4 * 0.4 + 0.2 * 0.5 + 0.1 * 0.5)
    ((_, plain),) = rank(texts[:1], SMS, 1)
    assert plain.total == pytest.approx((0.2 + 0.1 * 0.5) / 0.6)
    ((_, silent),) = rank(texts[:1], SMS, 1, voices=[0.0])
    assert silent.total == pytest.approx(0.2 + 0.1 * 0.5)


def test_likeness_and_fit_at_their_ends() -> None:
    assert likeness("A  bar", "ａ BAR") == 1
    assert likeness("ab", "cd") == 0
    assert length_fit("x", SMS) == 1 / 160
    assert length_fit("", SMS) == 0
    assert length_fit("{broken", Brief(product="Bar", channel="google_rsa", field="ad")) == 0


def test_of_equal_texts_the_first_is_taken() -> None:
    assert [place for place, _ in rank(["For £6.", "For £6.", "For £6."], SMS, 3)] == [0, 1, 2]
    assert rank([], SMS, 2) == []


@pytest.mark.parametrize(
    ("recommended", "most", "length", "fit"),
    [
        (None, None, 0, 1),
        (None, None, 500, 1),
        (None, 1, 0, 0),
        (None, 1, 1, 1),
        (None, 1, 2, 0.5),
        (None, 40, 20, 0.5),
        (50, None, 25, 0.5),
        (50, 100, 50, 1),
        (50, 100, 100, 0.5),
    ],
)
def test_a_text_fits_its_field(recommended: int | None, most: int | None, length: int, fit: float) -> None:
    """Best at the recommended length, else at the limit; any length where there is neither."""
    limit = Limit(recommended=recommended, max=most, source="test", source_kind="own", source_date="2026-11")
    assert field_fit("x" * length, limit) == fit
