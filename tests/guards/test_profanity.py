"""Words that offend block in any spelling, others go to a person, and Scunthorpe passes."""

from __future__ import annotations

import pytest

from lora_marketing.guards.profanity import find

from .making import case


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
        ),
        *("操你妈", "傻 逼", "他媽的", "这个傻\u200b逼", "王·八·蛋"),
    ],
)
def test_hard_words_block(text: str) -> None:
    assert rules(text) == ["hard"]
    assert [one.severity for one in find(text, case())] == ["block"]


@pytest.mark.parametrize(
    ("text", "kind"), [("Sexy legs", "mild"), ("你这白痴", "mild"), ("法輪功", "political")]
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
        "激情夏日，成人儿童都爱，乳液滋润，月经期可用，鸡蛋糕。",
    ],
)
def test_ordinary_texts_pass(text: str) -> None:
    assert rules(text) == []


def test_what_the_product_is_called_is_no_mild_word() -> None:
    assert rules("Horny Goat tea") == ["mild"]
    assert rules("Horny Goat tea", display_name="Horny Goat") == []
