from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.brands.brand import Brand, Brief, load_brand
from lora_marketing.channels import channel_names, load_channel
from lora_marketing.common.errors import UnknownName
from lora_marketing.data.dataset import read_examples
from lora_marketing.tasks import ad_copy, load_task, messages, task_names
from lora_marketing.tasks.ad_copy import LONG
from tests.making import BRANDS, ROOT, property_test

EMBER = load_brand(BRANDS / "ember" / "brand.yaml")
SHANYU = load_brand(BRANDS / "shanyu" / "brand.yaml")
FULL: dict[str, Any] = {
    "product": "Bar soap",
    "channel": "meta_feed",
    "field": "headline",
    "audience": "sailors",
    "attributes": {"price": "£6", "weight": "90 g"},
    "notes": "mention the tin",
}


def user(brief: Brief, brand: Brand = EMBER) -> str:
    return messages(brief, brand)[1]["content"]


def test_the_whole_prompt() -> None:
    assert user(Brief(**FULL)) == (
        "Write one headline for Meta feed ad. Ideally at most 40 characters.\n"
        "Product: Bar soap\nprice: £6\nweight: 90 g\nAudience: sailors\nNotes: mention the tin"
    )
    system = messages(Brief(**FULL), EMBER)[0]["content"]
    assert system.startswith(f"You write copy for Ember. {EMBER.guide}\nFacts: ")
    assert all(fact in system for fact in EMBER.facts)


def test_the_whole_prompt_in_chinese() -> None:
    assert user(Brief(**{**FULL, "channel": "xiaohongshu_note", "field": "title"}), SHANYU) == (
        "为小红书笔记写一条 title。不超过 20 个字符。\n"
        "产品：Bar soap\nprice：£6\nweight：90 g\n受众：sailors\n备注：mention the tin"
    )
    system = messages(Brief(**FULL), SHANYU)[0]["content"]
    assert system.startswith(f"你为山屿写文案。{SHANYU.guide}\n事实：")
    assert all(fact in system for fact in SHANYU.facts)


@pytest.mark.parametrize("locale", ["zh", "zh-TW", "zh-Hans", "en-GB", "de"])
def test_the_locale_chooses_the_language(locale: str) -> None:
    system = messages(Brief(**FULL), EMBER.model_copy(update={"locale": locale}))[0]["content"]
    assert system.startswith("你为" if locale.startswith("zh") else "You write")


def test_what_a_brief_leaves_out_is_not_written() -> None:
    brief = Brief(product="Bar", channel="meta_feed", field="headline")
    assert user(brief).splitlines()[1:] == ["Product: Bar"]
    assert "Facts" not in messages(brief, EMBER.model_copy(update={"facts": []}))[0]["content"]


def test_a_whole_ad_is_asked_for_field_by_field() -> None:
    brief = Brief(product="Bar", channel="google_rsa", field="ad")
    assert user(brief).splitlines() == [
        "Write one whole ad for Google responsive search ad, as JSON that lists the texts of each field."
        " No two alike.",
        "headline: 3–15. At most 30 characters.",
        "description: 2–4. At most 90 characters.",
        "path: 0–2. At most 15 characters.",
        "Product: Bar",
    ]
    assert user(brief, SHANYU).splitlines()[:2] == [
        "为Google responsive search ad写一整条广告，用 JSON 列出每个字段的文案，各条不得雷同。",
        "headline：3–15 条。不超过 15 个字符。",
    ]
    with pytest.raises(UnknownName, match='no whole "ad"'):
        user(Brief(product="Bar", channel="sms", field="ad"))


texts = st.text(alphabet="abc {}%山屿£\n", min_size=1, max_size=12).map(lambda text: f"«{text}»")


@property_test
@given(
    st.fixed_dictionaries(dict.fromkeys(("product", "audience", "notes"), texts)),
    st.dictionaries(texts, texts),
)
def test_every_word_of_a_brief_appears_as_it_is(words: dict[str, str], attributes: dict[str, str]) -> None:
    for brand in (EMBER, SHANYU):
        prompt = user(Brief(channel="sms", field="text", attributes=attributes, **words), brand)
        assert all(word in prompt for word in (*words.values(), *attributes, *attributes.values()))


def test_every_field_of_a_brief_is_known_to_this_test() -> None:
    assert Brief.model_fields.keys() - FULL.keys() == {"task", "line"}


@pytest.mark.parametrize("channel", channel_names())
def test_every_channel_can_be_asked_for(channel: str) -> None:
    for field, limit in load_channel(channel).fields.items():
        prompt = user(Brief(product="Bar", channel=channel, field=field))
        assert load_channel(channel).title in prompt
        assert field.replace("_", " ") in prompt
        told = limit.recommended or (limit.max if limit.max and limit.max <= LONG else None)
        assert (f"at most {told} characters" in prompt.lower()) if told else ("characters" not in prompt)


def test_a_chinese_field_counts_as_its_unit_does() -> None:
    assert "30 个字符" in user(Brief(product="帐", channel="taobao", field="title"), SHANYU), "60 GBK bytes"
    assert "70 个字符" in user(Brief(product="帐", channel="sms", field="text"), SHANYU), "UCS-2"
    assert "90 characters" in user(Brief(product="Bar", channel="google_rsa", field="description"))


@pytest.mark.parametrize("name", ["ember", "lumen", "shanyu"])
def test_all_briefs_of_a_brand_share_what_comes_first(name: str) -> None:
    brand = load_brand(BRANDS / name / "brand.yaml")
    chats = [messages(row.brief(), brand) for _, row in read_examples(BRANDS / name / "texts.jsonl")]
    assert [[turn["role"] for turn in chat] for chat in chats] == [["system", "user"]] * len(chats)
    assert len({chat[0]["content"] for chat in chats}) == 1
    assert len({chat[1]["content"] for chat in chats}) > 100


def test_a_product_line_does_not_change_the_prompt() -> None:
    assert messages(Brief(**FULL, line="filter"), EMBER) == messages(Brief(**FULL), EMBER)


def test_an_unknown_task_channel_or_field_is_refused() -> None:
    for key in ("task", "channel", "field"):
        with pytest.raises(UnknownName):
            messages(Brief(**{**FULL, key: "nothing"}), EMBER)


def test_tasks_are_loaded_by_name() -> None:
    assert "ad_copy" in task_names()
    assert load_task("ad_copy") is ad_copy
    for name in task_names():
        assert load_task(name).messages(Brief(**FULL), EMBER)[0] == load_task(name).system_turn(EMBER)


def test_there_is_one_prompt_builder() -> None:
    """Nobody but the tasks writes chat turns for a brief, and all ask `tasks.messages` for them.

    What a client of the server says in turns of its own is passed on as it is; a judge is asked for no copy.
    """
    writers, callers = set(), set()
    for path in (ROOT / "lora_marketing").rglob("*.py"):
        name = path.relative_to(ROOT / "lora_marketing").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value == "system":
                writers.add(name)
            if isinstance(node, ast.ImportFrom) and node.module == "lora_marketing.tasks":
                callers |= {name for alias in node.names if alias.name == "messages"}
            assert not (isinstance(node, ast.ImportFrom) and node.module == "lora_marketing.tasks.ad_copy")
    others = {"serving/routes/chat.py", "serving/schema.py", "evaluation/llm_judge.py", "tokens/render.py"}
    others.add("tokens/pinned_template.py")  # where a template has no system turn
    assert writers - others <= {f"tasks/{name}.py" for name in task_names()}
    assert "tasks/ad_copy.py" in writers
    assert {"tokens/render.py", "writing/copywriter.py"} <= callers
