"""Words that offend block in any spelling, others go to a person, and Scunthorpe passes."""

from __future__ import annotations

import pytest

from lora_marketing.guards.profanity import find
from tests.guards.making import case


def rules(text: str, **own: object) -> list[str]:
    return [one.rule.removeprefix("profanity.") for one in find(text, case(**own))]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "What the fuck",
            "FUCKED",
            "f.u.c.k",
            "sh1t",
            "b!tches",
            "f**k off",
            "fuuuuck",
            "ѕhіt",
            "bull-shit",
            "SH1T",
            "sh*t",
            "sh**",
            "jack off",
        ),
        *("操你妈", "傻 逼", "他媽的", "这个傻\u200b逼", "王·八·蛋", "你妈的", "这鸡巴玩意", "机八"),
    ],
)
def test_hard_words_block(text: str) -> None:
    assert rules(text) == ["hard"]
    assert [one.severity for one in find(text, case())] == ["block"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Sexy legs", "mild"),
        ("This sucks", "mild"),
        ("口交", "mild"),
        ("西藏独立", "political"),
        ("你这白痴", "mild"),
        ("法輪功", "political"),
    ],
)
def test_other_words_go_to_a_person(text: str, kind: str) -> None:
    assert rules(text) == [kind]
    assert [one.severity for one in find(text, case())] == ["review"]


@pytest.mark.parametrize(
    "text",
    [
        "Scunthorpe, Essex: class, grass, cockpit, shiitake, Matsushita.",
        "Pass the assessment; push it, basement, analysis, titanium, document.",
        "The pen is here. Model A55, size 55.",
        "性价比高，奶香浓郁，可能性无限，幹線公路，能靠背。",
        "妈妈的味道，送给妈妈的礼物，媽媽的手藝，老干妈的香，宝妈的选择。",
        "手机八折起，手机八成新，司机巴不得，火鸡吧台，来份炸鸡吧，飞机巴士。",
        "路口交通便利，出口交货，一次性交付，做爱吃的菜，室外阴凉处，平台独家。",
        "体操你也行，健美操比赛，狗日常护理，西瓜批发，外卖披萨，给你老板的扇贝肉。",
        "OPPO A5s, Model AS5. Jack off-road kit. Organic baby juice. As low as* £5.",
        "A big black bag. Girl on the go. Hair tied up. It sucks up dust.",
        "激情夏日，成人儿童都爱，乳液滋润，月经期可用，鸡蛋糕。",
    ],
)
def test_ordinary_texts_pass(text: str) -> None:
    assert rules(text) == []


def test_what_the_product_is_called_is_no_mild_word() -> None:
    assert rules("Horny Goat tea") == ["mild"]
    assert rules("Horny Goat tea", display_name="Horny Goat") == []


@pytest.mark.parametrize(
    "text",
    [
        "Blue tits love this feeder.",
        "Pussy willow by the door",
        "Faggots in gravy",
        "A bitch and her puppies",
        "The ox and the ass",
    ],
)
def test_an_animal_a_plant_or_a_dish_is_for_a_person(text: str) -> None:
    assert {one.severity for one in find(text, case())} == {"review"}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("a5s", ["hard"]),
        ("A5s", []),
        ("AS5", []),
        ("A5", []),
        ("5ex", ["mild"]),
        ("t1t", ["mild"]),
        ("T1t", []),
        ("T1TS", ["hard"]),
        ("ASS", ["hard"]),
        ("鸡8", ["mild"]),
    ],
)
def test_digits_and_capitals_make_a_short_name_a_number(text: str, kinds: list[str]) -> None:
    """Of at most three signs more than half, and one of them a digit."""
    assert rules(f"Say {text} now") == kinds


def test_a_harmless_phrase_may_stand_within_a_word_but_is_not_inflected() -> None:
    assert rules("Moby Dick, Moby Dicks, a Dick van Dyke") == []
    assert rules("Dick van Dyking") == ["mild", "mild"]


@pytest.mark.parametrize(
    ("text", "word"), [("unfucked", "fuck"), ("ass****", "ass****"), ("see f**k off", "f**k")]
)
def test_what_offends_is_told_as_it_stands(text: str, word: str) -> None:
    (one,) = find(text, case())
    assert one.span
    assert text[slice(*one.span)] == word


@pytest.mark.parametrize("text", ["zz**", "pr**e", "p@y", "q*k"])
def test_stars_for_letters_of_no_hard_word_pass(text: str) -> None:
    assert rules(text) == []


def test_what_follows_a_number_or_an_own_name_is_looked_at() -> None:
    assert rules("The A5s sucks") == ["mild"]
    assert rules("Horny Goat tea sucks", display_name="Horny Goat") == ["mild"]
    assert rules("Moby Dick sucks") == ["mild"]
