"""The questions themselves, and the rules by which an answer reads like an advert."""

from __future__ import annotations

import pytest

from lora_marketing.brands.brand import load_brand
from lora_marketing.data.dataset import read_examples
from lora_marketing.model_eval.adverts import AdvertRules
from lora_marketing.model_eval.everyday import load_everyday
from tests.making import BRANDS

EVERYDAY = load_everyday()
PLAIN = (
    "The sky is blue because air scatters short waves more than long ones.",
    "In order to learn a language, practise every day and read books that you like.",
    "The moon is 384,400 km away. It takes 27 days to go around the Earth.",
    "Newton was born in 1643. He wrote about light, motion and gravity.",
    "A shop is a place where things are sold. People buy bread in a bakery.",
    "植物通过光合作用制造养分，需要阳光、水和二氧化碳。",
    "三角形有三条边，内角和是180度。",
    "1969年，人类第一次登上月球。",
    "学好一门语言需要坚持，每天听一点、说一点。",
    "牛顿是英国物理学家，他提出了万有引力定律。",
)
ADVERTS = (
    "Plants love our new collection. Shop now and save.",
    "The sky is blue. Add to basket today.",
    "Only £9 for 250 g.",
    "Buy one get one: 20% off this week.",
    "Free delivery over thirty pounds.",
    "Order today and discover more.",
    "月亮很美，立即购买，限时优惠。",
    "我们的产品全网热销，点击下方链接下单。",
    "现价99元，包邮到家。",
    "三角形礼盒，新品上市，欢迎选购。",
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_there_are_enough_questions_and_each_can_be_decided(language: str) -> None:
    found = EVERYDAY.checked[language]  # type: ignore[index]
    assert len(found) >= 40
    assert len({question.ask for question in found}) == len(found)
    for question in found:
        answers = question.answers
        assert len(set(answers)) == len(answers)
        assert not any(a != b and b.startswith(a) for a in answers for b in answers), question.ask
    assert len(EVERYDAY.open[language]) >= 15  # type: ignore[index]


def test_the_right_answer_is_not_the_shortest_one() -> None:
    """Shorter answers are likelier: length alone must not tell."""
    found = [question for asked in EVERYDAY.checked.values() for question in asked if len(question.wrong) > 1]
    shortest = [len(q.right) < min(map(len, q.wrong)) for q in found]
    assert sum(shortest) / len(shortest) < 0.15


@pytest.fixture(scope="module")
def rules() -> AdvertRules:
    rows = [example for _, example in read_examples(BRANDS / "ember" / "texts.jsonl")]
    return AdvertRules.of(load_brand(BRANDS / "ember" / "brand.yaml"), rows)


@pytest.mark.parametrize("answer", PLAIN)
def test_plain_answers_are_no_adverts(rules: AdvertRules, answer: str) -> None:
    assert rules.reasons("Tell me.", answer) == []


@pytest.mark.parametrize("answer", ADVERTS)
def test_adverts_are_seen(rules: AdvertRules, answer: str) -> None:
    assert rules.reasons("Tell me.", answer)


def test_a_brand_that_talks_of_itself_is_seen_and_the_questions_are_not(rules: AdvertRules) -> None:
    assert rules.reasons("What is rain?", "Ember wrote to me twice.") == ["brand or product"]
    assert rules.reasons("Who is Ember?", "Ember wrote to me twice.") == []
    assert rules.reasons("What is a coal?", "An ember is a coal that glows.") == []
    asked = [question for questions in EVERYDAY.open.values() for question in questions]
    assert [question for question in asked if rules.reasons("", question)] == []


def test_every_long_text_of_the_brand_is_seen_as_its_own(rules: AdvertRules) -> None:
    texts = [example.text for _, example in read_examples(BRANDS / "ember" / "texts.jsonl")]
    assert all(rules.reasons("What is rain?", text) for text in texts if len(text.split()) > 4)


def test_chinese_runs_are_seen() -> None:
    rows = [example for _, example in read_examples(BRANDS / "shanyu" / "texts.jsonl")]
    rules = AdvertRules.of(load_brand(BRANDS / "shanyu" / "brand.yaml"), rows)
    text = max((row.text for row in rows), key=len)
    assert "words of the brand's texts" in rules.reasons("雨是怎样形成的？", f"雨是这样的：{text}")
