"""A text in another language than the brand's, or in the other Chinese script."""

from __future__ import annotations

import pytest

from lora_marketing.guards.language import find
from tests.guards.making import case

GERMAN = "Unsere Seife ist mild zur Haut und riecht nach frischer Luft am Meer."
ENGLISH = "Our soap is kind to skin and smells of fresh air by the sea."
SIMPLIFIED = "我们的香皂对皮肤温和，闻起来像海边的新鲜空气。"
TRADITIONAL = "我們的香皂對皮膚溫和，聞起來像海邊的新鮮空氣。"


def found(text: str, locale: str, **own: object) -> list[tuple[str, str]]:
    return [
        (one.rule.removeprefix("language."), one.severity) for one in find(text, case(locale=locale, **own))
    ]


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        (ENGLISH, "en-GB"),
        (GERMAN, "de-DE"),
        (SIMPLIFIED, "zh-CN"),
        (TRADITIONAL, "zh-TW"),
        (TRADITIONAL, "zh-HK"),
    ],
)
def test_the_language_asked_for_passes(text: str, locale: str) -> None:
    assert found(text, locale) == []


@pytest.mark.parametrize(
    ("text", "locale"),
    [(GERMAN, "en-GB"), (ENGLISH, "de-DE"), (ENGLISH, "zh-CN"), (SIMPLIFIED, "en-GB"), (SIMPLIFIED, "fr-FR")],
)
def test_another_language_is_written_again(text: str, locale: str) -> None:
    assert found(text, locale) == [("other", "fix")]


def test_an_attribute_without_a_value_hides_nothing() -> None:
    asked = case({"attributes": {"size": ""}})
    assert [one.rule for one in find(GERMAN, asked)] == ["language.other"]


def test_the_other_script_is_told() -> None:
    assert found(TRADITIONAL, "zh-CN") == [("script", "fix")]
    assert found(SIMPLIFIED, "zh-TW") == [("script", "fix")]
    assert found("臺北的香皂", "zh-CN") == [("script", "review")]
    assert found("台灣的香皂，只有你", "zh-TW") == []


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("Déjà Vu Eau de Parfum", "en-GB"),
        ("Gesundheit!", "en-GB"),
        ("iPhone 17 Pro Max", "zh-CN"),
        ("用 Firefox Developer Edition 吧", "zh-CN"),
        ("100% @fjord #soap https://fjord.example/seife-und-haut", "en-GB"),
        ("", "en-GB"),
        (ENGLISH, "sw"),
    ],
)
def test_headlines_names_and_numbers_say_nothing(text: str, locale: str) -> None:
    assert found(text, locale) == []


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("皂" * 2, None),
        ("皂" * 3, "review"),
        ("か" * 5, "review"),
        ("皂か" * 3, "fix"),
        ("皂" * 6 + " abcd" * 6, None),
        ("皂" * 6 + " abcd" * 5 + " abc", "fix"),
    ],
)
def test_chinese_and_japanese_in_a_latin_text(text: str, severity: str | None) -> None:
    """Three characters are seen, six are to be fixed; each weighs as much as four letters."""
    assert found(text, "en-GB") == ([("other", severity)] if severity else [])


@pytest.mark.parametrize(
    ("kana", "han", "japanese"), [(2, 0, False), (3, 11, True), (3, 12, False), (3, 0, True), (4, 15, True)]
)
def test_japanese_in_a_chinese_text(kana: int, han: int, japanese: bool) -> None:
    """Three kana, and more than one to four characters."""
    text = "か" * kana + "皂" * han
    assert found(text, "zh-CN") == ([("other", "fix")] if japanese else [])


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("wash with soap in the sea", "fix"),
        ("Wash with Sea Salt Soap of Fjord Isle", None),
        ("wash with soap Sea Salt Of Fjord Isle", "review"),
        ("皂 wash with soap in the sea", "review"),
        ("皂 wash with soap in the sea and dry in the sun for long", "fix"),
        ("皂皂皂皂 wash with soap in the sea", None),
        ("wash the seashores", "review"),
        ("seasides", None),
    ],
)
def test_english_in_a_chinese_brands_text(text: str, severity: str | None) -> None:
    """Three words in small letters; for sure from four on, in 40 letters or without a Chinese character."""
    assert found(text, "zh-CN") == ([("other", severity)] if severity else [])


def test_two_characters_of_the_other_script_may_be_a_names() -> None:
    for text, severity in (("臺灣", "review"), ("臺灣鐵路", "fix"), ("臺灣鐵", "fix")):
        (one,) = find(text, case(locale="zh-CN"))
        assert (one.severity, one.message.split(":")[0]) == (severity, "traditional characters")
    (one,) = find("我们", case(locale="zh-TW"))
    assert one.message == "simplified characters: 们"


@pytest.mark.parametrize("locale", ["zh-CN", "en-GB", "de-DE", "ja-JP", "sv-SE"])
@pytest.mark.parametrize(
    "text",
    [
        "Свежий хлеб каждое утро",
        "ขนมปังสดทุกเช้า",
        "خبز طازج كل صباح",
        "매일 아침 갓 구운 빵입니다",
        "לחם טרי בכל בוקר",
    ],
)
def test_a_script_that_nobody_asked_for_is_seen_in_every_brand(locale: str, text: str) -> None:
    assert "language.other" in {one.rule for one in find(text, case(locale=locale))}


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("ru-RU", "Свежий хлеб каждое утро"),
        ("ko-KR", "매일 아침 갓 구운 빵"),
        ("th-TH", "ขนมปังสดทุกเช้า"),
        ("zh-CN", "阻值 10 Ω，直径 5 μm，(＾Д＾)"),
        ("en-GB", "The mіrасlе of 5 µm filters and π day."),
    ],
)
def test_signs_disguises_and_the_own_script_are_no_other_language(locale: str, text: str) -> None:
    assert "language.other" not in {one.rule for one in find(text, case(locale=locale))}


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("Frisches Brot jeden Morgen aus unserem Ofen.", True),
        ("Du pain frais chaque matin.", True),
        ("Pan fresco cada mañana en tu barrio.", True),
        ("Our Chianti Classico Riserva and Pinot Grigio", False),
        ("Crème brûlée, pain au chocolat and café au lait", False),
        ("Schnitzel mit Kartoffelsalat tonight", False),
        ("Bosch Professional GSR drill", False),
        ("Tagliatelle al ragù, Aperol Spritz", False),
        ("Soft soap, now new, cut by hand", False),
    ],
)
def test_a_short_foreign_line_is_seen_and_a_name_is_not(text: str, foreign: bool) -> None:
    assert ("language.other" in {one.rule for one in find(text, case())}) == foreign


FORTY = "Unsere Seife ist mild zur Haut und riecht nach Me"


@pytest.mark.parametrize(("text", "severity"), [(FORTY[:-1], "review"), (FORTY, "fix")])
def test_from_forty_letters_on_a_text_is_written_again(text: str, severity: str) -> None:
    assert sum(map(str.isalpha, text)) == (40 if severity == "fix" else 39)
    assert found(text, "en-GB") == [("other", severity)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("riecht sea and day luft mild meer am our all winter", []),
        ("zur winter den sea the meer tag unsere soap kind seife", [("other", "fix")]),
    ],
)
def test_a_long_mixed_text_is_another_language_at_four_to_one(text: str, told: list[tuple[str, str]]) -> None:
    """German is 3.0 and 4.4 times as likely as English, and sure in neither."""
    assert found(text, "en-GB") == told


@pytest.mark.parametrize(("text", "part"), [("坐臺灣鐵路去", "臺灣鐵"), ("坐臺去", "臺")])
def test_the_span_of_the_other_script_is_from_its_first_to_its_last_character(text: str, part: str) -> None:
    (one,) = find(text, case(locale="zh-CN"))
    assert one.span
    assert text[slice(*one.span)] == part
