from __future__ import annotations

import pytest

from lora_marketing.metrics._topic import FUNCTION_WORDS, Terms, mask, shape, topic_words


@pytest.mark.parametrize(
    ("text", "topic", "expected"),
    [
        ("Ember roasts 250 g. It's strong.", {"ember", "roasts", "g"}, "□ □ 0 □. It's strong."),
        ("Coffee, COFFEE, coffee.", {"coffee"}, "□, □, □."),
        ("It is secure, not a cure.", {"cure"}, "It is secure, not a □."),
        ("Ember’s bag, and Ember's date", {"Ember"}, "□'s bag, and □'s date"),
        ("18g in 28.5 seconds at 7:30", set(), "0g in 0 seconds at 0"),
        ("A pour-over.", {"pour", "over"}, "A □-□."),
        ("薄霜睡袋重 680 克，很轻。", {"薄霜", "睡袋"}, "□重 0 克，很轻。"),
        ("带上睡袋和帐篷。", {"睡袋", "帐篷"}, "带上□和□。"),
        ("用GPS手表看路", {"gps", "手表"}, "用□□看路"),
    ],
)
def test_mask(text: str, topic: set[str], expected: str) -> None:
    assert mask(text, topic) == expected


def test_topic_words_are_those_of_one_brand_and_of_names() -> None:
    coffee = ["You grind the coffee, then wait in the rain."] * 3
    skin = ["We pour the serum and wait, as the rain falls."] * 3
    found = topic_words({"a": coffee, "b": skin}, ["Long Wave", "of the evening", "薄霜睡袋"])
    assert {"coffee", "grind", "serum", "pour", "falls", "long", "wave", "evening", "睡袋"} <= found
    assert found.isdisjoint({"wait", "rain"}), "both brands use them"
    assert found.isdisjoint(FUNCTION_WORDS)


def test_topic_words_of_two_of_three_brands() -> None:
    coffee, skin = ["Good coffee for you."] * 4, ["Good serum for you."] * 4
    found = topic_words({"a": coffee, "b": coffee, "c": skin})
    assert found == {"coffee", "serum"}


def test_topic_words_in_chinese() -> None:
    camp, shop = ["帐篷在山里，你走慢些。"] * 3, ["面霜在山里，我们等你。"] * 3
    found = topic_words({"a": camp, "b": shop})
    assert {"帐篷", "面霜"} <= found
    assert "山里" not in found
    assert mask("帐篷在山里", found) == "□在山里"


def test_only_brands_of_its_script_say_whether_a_word_is_topic() -> None:
    coffee, skin = ["You wait for coffee in the rain."] * 3, ["We wait for serum in the rain."] * 3
    camp, shop = ["帐篷在山里，你用 coffee 慢些。"] * 3, ["面霜在山里，我们等你。"] * 3
    english, chinese = topic_words({"a": coffee, "b": skin}), topic_words({"c": camp, "d": shop})
    assert {"wait", "rain"}.isdisjoint(english)
    assert topic_words({"a": coffee, "b": skin, "c": camp, "d": shop}) == english | chinese
    assert {"帐篷", "山里"} <= topic_words({"a": coffee, "b": skin, "c": camp}), "nobody to compare with"


@pytest.mark.parametrize(
    ("text", "topic", "expected"),
    [
        ("Manages teas. You wait", {"manages", "teas"}, "| □A-s □a-s . | You wait |"),
        ("Brewing slow, roasted glass", {"brewing", "roasted", "glass"}, "| □A-ing slow , □a-ed □a |"),
        ("It’s Ember's 18 g.", {"ember", "g"}, "| It's □A 's 0 □a . |"),
        ("Is it? Yes!\nA headline", {"headline"}, "| Is it ? | Yes ! | A □a |"),
        ("用GPS手表看路。很轻", {"gps", "手表", "看路"}, "| 用 □A ▢ 。 | 很 轻 |"),
        ("", set(), "|"),
    ],
)
def test_shape(text: str, topic: set[str], expected: str) -> None:
    assert list(shape(text, Terms(topic))) == expected.split()


@pytest.mark.parametrize("name", ["Firefox", "Mozilla VPN", "AWS", "Amazon WorkSpaces Thin Client", "iPhone"])
def test_the_shape_of_a_name_does_not_tell_which(name: str) -> None:
    topic = Terms(name.casefold().split())
    assert list(shape(f"With {name} you wait", topic)) == ["|", "With", "□A", "you", "wait", "|"]
