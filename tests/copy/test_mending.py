"""Mending: what has one right answer is put right and noted, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.copy.mending import Mended, is_complete, is_whole, mend
from tests.making import property_test


def brand(name: str = "Ember", locale: str = "en-GB") -> Brand:
    known: dict[str, Any] = {"schema": 1, "name": "x", "display_name": name, "locale": locale}
    return Brand.model_validate({**known, "lines": {"a": "b"}, "guide": "g"})


ENGLISH, CHINESE = brand(), brand("山屿", "zh-CN")


@pytest.mark.parametrize(
    ("text", "mended", "rules"),
    [
        ("Dark  roast , 250 g .", "Dark roast, 250 g.", {"spacing"}),
        (" Two lines. \n\n\n\n Here.\n", "Two lines.\n\nHere.", {"spacing"}),
        ('"A bar that floats."', "A bar that floats.", {"quotes"}),
        ("It’s here, don’t run, it's £6.", "It’s here, don’t run, it’s £6.", {"quotes"}),
        ("It's here. “Now”, don't we, can't we", "It's here. \"Now\", don't we, can't we", {"quotes"}),
        ("assistant: A bar.", "A bar.", {"roles"}),
        ("<|im_start|>assistant\nA bar.<|im_end|>", "A bar.", {"roles"}),
        ("# Soap\n**Bold** and `code`", "Soap\nBold and code", {"markdown"}),
        ("Ｅmber and eMber", "Ember and Ember", {"name"}),
    ],
)
def test_english(text: str, mended: str, rules: set[str]) -> None:
    done = mend(text, ENGLISH)
    assert done.text == mended
    assert {one.rule for one in done.mendings} == rules


@pytest.mark.parametrize(
    ("text", "mended", "rules"),
    [
        ("春天路干了,适合骑远些.", "春天路干了，适合骑远些。", {"chinese"}),
        ("山里 黑得早 ，挂一盏灯", "山里黑得早，挂一盏灯", {"chinese"}),
        ("快拆(可单买),等你...", "快拆（可单买），等你……", {"chinese"}),
        ("重 90g，长 40 cm，宽20 cm", "重 90g，长 40 cm，宽 20 cm", {"chinese"}),
        ("用 TPU布，长40厘米", "用TPU布，长40厘米", {"chinese"}),
        ('它叫"萤灯"。', "它叫“萤灯”。", {"quotes"}),
        ("助手：萤灯", "萤灯", {"roles"}),
        ("“萤灯亮了。”", "萤灯亮了。", {"quotes"}),
    ],
)
def test_chinese(text: str, mended: str, rules: set[str]) -> None:
    done = mend(text, CHINESE)
    assert done.text == mended
    assert {one.rule for one in done.mendings} == rules


def test_taiwan_has_quotes_of_its_own() -> None:
    for locale in ("zh-TW", "zh-MO"):
        assert mend('它叫"萤灯"。', brand("山嶼", locale)).text == "它叫「萤灯」。"


@pytest.mark.parametrize(
    "text",
    [
        "Dark roast. 3.5 oz, 5'10\" tall :) #soap *T&Cs apply",
        "ember glows, EMBER, ember.com, @ember, #EMber",
        "It’s “here”.",
        'It\'s "here".',
        "Prix : 5",
        "snake_case_word and 2 * 3 * 4",
    ],
)
def test_what_is_right_stays(text: str) -> None:
    assert mend(text, brand(locale="fr-FR") if text.startswith("Prix") else ENGLISH) == Mended(text)


def test_a_name_that_is_no_word_has_one_spelling() -> None:
    named = brand("SmartWater")
    assert mend("smartwater, Smartwater, SMARTWATER, smartwater.com", named).text == (
        "SmartWater, SmartWater, SMARTWATER, smartwater.com"
    )
    assert mend("喝smartwater吧", brand("SmartWater", "zh-CN")).text == "喝SmartWater吧"


@pytest.mark.parametrize(
    ("name", "locale", "text", "mended"),
    [
        ("Macy’s", "en-GB", "Macy’s: it's here, don't run.  Go", "Macy’s: it's here, don't run. Go"),
        ("Macy's", "en-GB", "Macy's: it’s “here”", "Macy's: it’s “here”"),
        ("Ember 咖啡", "zh-CN", "喝Ember 咖啡,好", "喝Ember 咖啡，好"),
        ("Ember 咖啡", "zh-CN", "喝ember\u3000咖啡", "喝Ember 咖啡"),
    ],
)
def test_no_rule_but_its_own_changes_a_name(name: str, locale: str, text: str, mended: str) -> None:
    assert mend(text, brand(name, locale)).text == mended


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("It floats. It costs £3.50 and the", "It floats."),
        ("It floats and", "It floats and"),
        ("It floats.", "It floats."),
        ("灯亮了。故事讲", "灯亮了。"),
        ("“灯亮了。”故事讲", "“灯亮了。”"),
        ("灯亮了", "灯亮了"),
        ("It floats. Ember is", "It floats."),
        ("It floats. The bar of", "It floats."),
    ],
)
def test_a_cut_text_ends_with_its_last_whole_sentence(text: str, left: str) -> None:
    own = ENGLISH if text.isascii() else CHINESE
    assert mend(text, own, cut=True).text.strip("“”") == left.strip("“”")
    assert mend(text, own).text == text
    assert is_whole(left) == left.endswith((".", "。", "。”"))


def test_a_cut_does_not_tear_a_name() -> None:
    """The stop in the name ends no sentence, but one before it does."""
    own = brand("St. Ives")
    assert mend("It floats. Try St. Ives and", own, cut=True).text == "It floats. Try St. Ives and"
    assert mend("It floats. Try St Ives and", own, cut=True).text == "It floats."


def test_every_change_stands_where_it_was_when_it_was_made() -> None:
    done = mend("a  b   c , d\n\n\n\ne", ENGLISH)
    assert done.text == "a b c, d\n\ne"
    assert [(one.span, one.before, one.after) for one in done.mendings] == [
        ((1, 3), "  ", " "),
        ((3, 6), "   ", " "),
        ((5, 6), " ", ""),
        ((8, 12), "\n\n\n\n", "\n\n"),
    ][: len(done.mendings)]
    assert len(done.mendings) == 4


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("重 90g，长 40cm", "重 90g，长 40cm"),
        ("重90 克，40 厘", "重 90 克，40 厘"),
        ("重 90，重 40，90克", "重 90，重 40，90 克"),
        ("重90 克，长40厘", "重90克，长40厘"),
        ("重 90克，长40厘", "重90克，长40厘"),
        ("重 90 克，长40", "重 90 克，长 40"),
    ],
)
def test_spaces_beside_latin_letters_follow_the_majority(text: str, mended: str) -> None:
    """Before and behind alike; none at a draw."""
    assert mend(text, CHINESE).text == mended


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ('""', '""'),
        ('"a"', "a"),
        ("“a”", "a"),
        ("It's ’", "It's '"),
        ("It's ’ ’", "It’s ’ ’"),
        ('A "b" “c”', 'A "b" "c"'),
        ('A "b" “c” ’', "A “b” “c” ’"),
        ("“c”, ’", "“c”, ’"),
    ],
)
def test_quotes_follow_the_majority_straight_at_a_draw(text: str, mended: str) -> None:
    assert mend(text, ENGLISH).text == mended


def test_a_name_in_full_width_is_the_name() -> None:
    """From the first sign that has a wide form to the last."""
    own = brand("A!~")
    assert mend("Now Ａ！～ is here", own).text == "Now A!~ is here"
    assert mend("the  A!~  is", own).text == "the A!~ is"


LETTERS = st.sampled_from(
    [*"aE1 ,.;!?'\"“”’‘()*#_`-\n\u3000山里，。！？…", "Ember", "eMBER", "  ", "..", "山 a"]
)
TEXTS = st.lists(LETTERS, max_size=25).map("".join)


def replayed(text: str, done: Mended) -> str:
    for one in done.mendings:
        start, end = one.span
        assert text[start:end] == one.before != one.after
        text = text[:start] + one.after + text[end:]
    return text


@pytest.mark.parametrize("own", [ENGLISH, CHINESE, brand("Blue Bottle", "zh-TW"), brand(locale="de")])
@property_test
@given(text=TEXTS, cut=st.booleans())
def test_mendings_tell_all_and_change_no_word(own: Brand, text: str, cut: bool) -> None:
    done = mend(text, own, cut=cut)
    assert replayed(text, done) == done.text
    assert mend(done.text, own, cut=cut) == Mended(done.text)
    if not any(one.rule == "fragment" for one in done.mendings):
        assert [c for c in done.text.casefold() if c.isalnum()] == [c for c in text.casefold() if c.isalnum()]


AD = '{"headline": ["It floats.", "It lasts."], "description": ["It is a bar.'


@pytest.mark.parametrize(
    ("text", "field", "stopped", "complete"),
    [
        ("It floats.", "text", True, True),
        ("It flo", "text", True, True),
        ("It floats.", "text", False, True),
        ("It floats. It la", "text", False, False),
        ("", "text", False, False),
        (AD + '"]}', "ad", True, True),
        (AD + '"]}', "ad", False, False),
        (AD, "ad", False, False),
    ],
)
def test_a_text_is_complete_if_the_model_ended_it_or_its_last_sentence_is_whole(
    text: str, field: str, stopped: bool, complete: bool
) -> None:
    """An ad that was cut is never complete: it may end in a sentence, and lack its other pieces."""
    channel = "google_rsa" if field == "ad" else "sms"
    assert is_complete(text, Brief(product="Bar", channel=channel, field=field), stopped) == complete
