from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.brands.brand import Brand, Brief, load_brand
from lora_marketing.tasks import load_task, messages, task_names
from tests.making import BRANDS, property_test

EMBER = load_brand(BRANDS / "ember" / "brand.yaml")
SHANYU = load_brand(BRANDS / "shanyu" / "brand.yaml")
PUB: dict[str, Any] = {
    "task": "data_to_text",
    "product": "The Vaults",
    "channel": "product_page",
    "field": "description",
    "attributes": {"type": "pub", "price": "more than £30"},
}


def test_the_whole_prompt() -> None:
    brief = Brief(**PUB, audience="sailors", notes="mention the cellar")
    assert messages(brief, EMBER) == [
        {
            "role": "system",
            "content": "Put the data into a sentence or two: all of them, and nothing else.",
        },
        {
            "role": "user",
            "content": "name: The Vaults\ntype: pub\nprice: more than £30\n"
            "audience: sailors\nnotes: mention the cellar",
        },
    ]


def test_the_whole_prompt_in_chinese() -> None:
    brief = Brief(
        **{**PUB, "product": "云顶", "attributes": {"类型": "茶馆"}}, audience="游客", notes="提到露台"
    )
    assert messages(brief, SHANYU) == [
        {"role": "system", "content": "把下列数据写成一两句话：一项不漏，也不添加。"},
        {"role": "user", "content": "名称：云顶\n类型：茶馆\n受众：游客\n备注：提到露台"},
    ]


@pytest.mark.parametrize("brand", [EMBER, SHANYU], ids=lambda brand: brand.locale)
def test_the_order_is_short_and_the_same_for_every_brief(brand: Brand) -> None:
    briefs = [Brief(**PUB), Brief(**{**PUB, "product": "Cotto", "channel": "sms", "field": "text"}, line="x")]
    chats = [messages(brief, brand) for brief in briefs]
    assert chats[0][0] == chats[1][0]
    assert brand.guide not in str(chats)
    assert len(chats[0][0]["content"]) < 80


def test_brands_of_one_language_share_the_order() -> None:
    lumen = load_brand(BRANDS / "lumen" / "brand.yaml")
    assert messages(Brief(**PUB), EMBER) == messages(Brief(**PUB), lumen)
    assert messages(Brief(**PUB), EMBER) != messages(Brief(**PUB), SHANYU)


texts = st.text(alphabet="abc {}%山屿£\n", min_size=1, max_size=12).map(lambda text: f"«{text}»")


@property_test
@given(
    st.fixed_dictionaries(dict.fromkeys(("product", "audience", "notes"), texts)),
    st.dictionaries(texts, texts),
)
def test_every_word_of_a_brief_appears_in_its_order(
    words: dict[str, str], attributes: dict[str, str]
) -> None:
    for brand in (EMBER, SHANYU):
        prompt = messages(Brief(**{**PUB, **words, "attributes": attributes}), brand)[1]["content"]
        at = 0
        pairs = (part for pair in attributes.items() for part in pair)
        for word in (words["product"], *pairs, words["audience"], words["notes"]):
            at = prompt.index(word, at) + len(word)


def test_it_can_be_loaded_by_name() -> None:
    assert "data_to_text" in task_names()
    assert callable(load_task("data_to_text").messages)
