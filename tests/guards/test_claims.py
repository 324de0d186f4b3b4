"""Claims: the law of the market in context, and what the brand may claim."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from lora_marketing.guards import Finding
from lora_marketing.guards._packs import Pack, load_pack, pack_names
from lora_marketing.guards.claims import find, markets_of, unruled
from lora_marketing.guards.terms import find as find_terms
from tests.guards.making import case

CALM = {"id": "calm", "says": ["soothes eczema"], "evidence": "trial 12", "kind": "health", "markets": ["GB"]}


def found(text: str, locale: str = "en-GB", **own: Any) -> list[Finding]:
    return list(find(text, case(locale=locale, **own)))


def gravest(text: str, locale: str) -> str:
    severities = {one.severity for one in found(text, locale)}
    return next((one for one in ("block", "review", "fix") if one in severities), "pass")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("最佳食用时间", "pass"),
        ("国家级面霜", "block"),
        ("全网销量第一", "review"),
        ("国 家 级 面 霜", "block"),
        ("国家级非物质文化遗产传承人监制", "pass"),
        ("最佳食用时间三天，最佳面霜", "block"),
        ("我们的目标是全国第一，欢迎监督", "pass"),
        ("我们追求极致，打造全国第一", "block"),
        ("Ｎ０.1面霜", "block"),
    ],
)
def test_chinese_terms_count_in_context(text: str, verdict: str) -> None:
    assert gravest(text, "zh-CN") == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("It cures psoriasis.", "block"),
        ("Cures arthritis. Not intended to cure any disease.", "block"),
        ("Not intended to cure any disease.", "pass"),
        ("Britain's finest soap", "review"),
        ("Guarant33d to work", "block"),
        ("Guaranteed for two years against rust", "pass"),
        ("The best way to rinse: slowly.", "pass"),
        ("The no. 1 bar in Whitby", "review"),
        ("The number one bar", "review"),
        ("No one to ask about rinsing. Late? No. One bar is enough.", "pass"),
    ],
)
def test_english_terms_count_in_context(text: str, verdict: str) -> None:
    assert gravest(text, "en-GB") == gravest(text, "en-US") == verdict


@pytest.mark.parametrize(
    "text",
    [
        "It beats the cold. Fights the cold all winter. Never feel the cold again. Say goodbye to cold feet.",
        "Wrinkle-free shirts. Removes wrinkles from linen. Cotton that stays wrinkle-free.",
        "Trusted by runners who train. Used by people who cook. Thank you, everyone who backed us.",
        "King-size recommended.",
        "This product is not intended to diagnose, treat, cure, or prevent any disease.",
        "We do not claim to cure eczema.",
    ],
)
def test_harmless_senses_pass_in_english(text: str) -> None:
    assert found(text) == found(text, "en-US") == []


@pytest.mark.parametrize(
    "text",
    [
        "抵御山中风雨，防护林中风沙。改善气流感受，改善附近视野。",
        "官方旗舰店专享优惠，红包分配，军绿色专用，户外交流专用，中央空调专用。",
        "背包过安检更快，面包过夜也软，环保通过检测。",
        "显示器增高架，内增高小白鞋。",
    ],
)
def test_harmless_senses_pass_in_chinese(text: str) -> None:
    assert found(text, "zh-CN") == []


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        *(
            (text, "en-GB")
            for text in (
                "Fights colds.",
                "Never catch a cold again.",
                "Beats the common cold.",
                "Relieves cold and flu.",
                "A natural cold remedy.",
                "Removes wrinkles.",
                "Wrinkle-free skin.",
                "Approved by the WHO.",
                "Our masks are WHO-approved.",
                "King-approved.",
                "We do not promise miracles: it cures eczema.",
                "Don't just treat eczema, cure eczema for good.",
                "Not designed for the timid, it cures eczema.",
                "Not suitable for cats but it is clinically proven, cures cancer",
                "It never fails to cure eczema.",
            )
        ),
        *(
            (text, "zh-CN")
            for text in (
                "预防中风",
                "防治流感",
                "改善近视",
                "官方指定用品",
                "军队专供",
                "零基础包过",
                "包分配工作",
                "三个月增高",
            )
        ),
    ],
)
def test_their_other_senses_block(text: str, locale: str) -> None:
    assert gravest(text, locale) == "block"


def test_a_champion_is_for_a_person() -> None:
    assert gravest("冠军推荐", "zh-CN") == "review"


def test_a_permitted_claim_passes_as_it_stands() -> None:
    text = "Our bar SOOTHES eczema."
    assert {one.severity for one in found("Our bar heals eczema.", claims=[CALM])} == {"block"}
    assert found(text, claims=[CALM]) == []
    (late,) = found(text, claims=[CALM | {"expires": "2026-10-31"}])
    assert (late.rule, late.severity) == ("claims.expired", "block")
    (abroad,) = found(text, "en-US", claims=[CALM])
    assert (abroad.rule, abroad.severity) == ("claims.market", "block")
    (bare,) = found(text, claims=[CALM | {"disclaimer": "In 3 of 4 people."}])
    assert (bare.rule, bare.severity, bare.suggestion) == ("claims.disclaimer", "fix", "In 3 of 4 people.")
    assert found(f"{text} in 3 of 4 people.", claims=[CALM | {"disclaimer": "In 3 of 4 people."}]) == []


def test_only_a_claim_about_health_answers_for_health() -> None:
    text = "Stops eczema."
    for kind, rules in (("fact", ["claims.cure"]), ("health", [])):
        claim = CALM | {"says": ["stops eczema"], "kind": kind}
        assert [one.rule for one in found(text, claims=[claim])] == rules


def test_the_law_is_that_of_the_markets() -> None:
    text = "国家级面霜 made in the USA"
    assert [one.rule for one in found(text, "zh-CN")] == ["claims.state_level"]
    assert [one.rule for one in found(text, "en-US")] == ["claims.us_origin"]
    assert {one.rule for one in found(text, "en-GB", markets=["US", "CN"])} == {
        "claims.state_level",
        "claims.us_origin",
    }


def test_a_name_may_say_what_a_claim_may_not() -> None:
    assert found("极品香皂来了", "zh-CN", display_name="极品香皂") == []
    assert found("极品香皂，极品享受", "zh-CN", display_name="极品香皂") != []


def test_spans_are_of_the_text() -> None:
    text = "新品：国\u200b 家 级面霜"
    (one,) = found(text, "zh-CN")
    assert one.span is not None
    assert text[slice(*one.span)] == "国\u200b 家 级"


def test_every_pack_names_its_source_and_rules_differ() -> None:
    packs = [load_pack(name).pack for name in (*pack_names("claims"), *pack_names("injection"))]
    assert len(packs) >= 5
    for pack in packs:
        assert pack.source
        assert len({rule.id for rule in pack.rules}) == len(pack.rules)


@pytest.mark.parametrize(
    ("locale", "markets", "law"),
    [
        ("en-GB", [], ("GB",)),
        ("en-AU", [], ("AU",)),
        ("en", [], ("GB", "US")),
        ("en-GB", ["US", "CN"], ("US", "CN")),
        ("zh-CN", [], ("CN",)),
        ("zh-TW", [], ("CN",)),
        ("zh-Hans", [], ("CN",)),
        ("zh", [], ("CN",)),
        ("sr-Latn", [], ()),
        ("de-DE", [], ("DE",)),
        ("de", [], ()),
    ],
)
def test_whose_law_holds(locale: str, markets: list[str], law: tuple[str, ...]) -> None:
    """The profile's markets, else the locale's country (Chinese: the mainland's), else the language's."""
    assert markets_of(case(locale=locale, markets=markets).brand) == law


@pytest.mark.parametrize(
    ("locale", "markets", "text"),
    [
        ("en-GB", ["CN"], "It cures psoriasis."),
        ("zh-CN", ["GB"], "国家级面霜"),
        ("zh-CN", ["HK"], "国家级面霜"),
        ("zh-CN", ["TW"], "国家级面霜"),
        ("en-AU", [], "It cures psoriasis."),
    ],
)
def test_a_text_is_held_to_a_law_of_its_language_too(locale: str, markets: list[str], text: str) -> None:
    assert "block" in {one.severity for one in found(text, locale, markets=markets)}


def test_a_place_is_objected_to_once_by_its_widest_match() -> None:
    findings = found("It cures psoriasis and heals eczema, cures psoriasis.")
    spans = sorted(one.span for one in findings if one.span)
    assert len(spans) == 3
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_a_name_may_hold_a_superlative_up_to_its_last_letter() -> None:
    text = "Britain's finest"
    assert found(f"{text} soap")
    for name in (text, f"{text} soap", f"New {text}"):
        assert list(find(f"A {name}!", case({"product": name}))) == [], name
    assert list(find(f"A {text}!", case({"product": "finest"})))


def test_a_permitted_claim_covers_only_what_it_shares_letters_with() -> None:
    """`soothes eczema` is permitted; the cure right behind it is not."""
    text = "Soothes eczema, cures eczema."
    (one,) = found(text, claims=[CALM])
    assert one.span is not None
    assert text[slice(*one.span)].startswith("cures")


@pytest.mark.parametrize(
    ("freed", "caught"),
    [
        (
            "Not intended to treat, cure or prevent any disease.",
            "Not intended to impress, it cures any disease.",
        ),
        ("It does not treat eczema or psoriasis.", "It does not itch and treats eczema."),
        ("This cream is not meant for weight loss.", "Not meant for show: weight loss in days."),
        ("We do not guarantee results.", "We do not only guarantee results, we exceed them."),
        ("Ask your doctor before you use this tea.", "Ask your doctor how this tea cures cancer."),
        (
            "Talk to your GP before you stop treating your asthma.",
            "Talk to your GP: this lamp treats asthma.",
        ),
        ("Please never drink and drive.", "Drink our gin and drive home safely."),
        ("Never chase your losses.", "Win back your losses with one spin."),
    ],
)
def test_an_english_exemption_ends_with_its_object(freed: str, caught: str) -> None:
    assert gravest(freed, "en-GB") == "pass"
    assert gravest(caught, "en-GB") == "block"


@pytest.mark.parametrize(
    ("freed", "caught"),
    [
        ("我们的目标，是把服务做到最好。", "我们的目标是服务，面包最好吃。"),
        ("希望为您提供最好的服务。", "希望买到最好的面包的您，来这里。"),
        ("力争成为行业第一。", "已经是行业第一。"),
        ("我们系列中最轻的一款。", "我们的背包最轻便最专业。"),
        ("本店历史上最厚的一本菜单。", "本店菜单最专业。"),
        ("上一代里最轻的杯子。", "全网最轻的杯子。"),
        ("最好在三天内吃完。", "三天内吃到最好吃的面包。"),
        ("最佳观赏季节是四月。", "最佳面包是我们的。"),
        ("2025年荣获设计大赛最佳包装奖。", "荣获客户喜爱，面包最佳。"),
        ("“最美”牌床单。", "最美味的床单茶。"),
        ("2025年天猫香皂类目销量第一（数据来源：生意参谋，2025年1-12月）。", "全国第一品牌的香皂。"),
        ("本品不能代替药物，不能治疗疾病。", "本品不能代替药物，却能治疗糖尿病。"),
        ("本课程不承诺通过考试。", "本课程承诺包过。"),
        ("喝酒不开车，开车不喝酒。", "喝完酒开车也不怕。"),
        ("希望根据您的口味做到最好。", "希望根治糖尿病的朋友，就喝它。"),
        ("努力把面包做到最好。", "努力赚钱不如稳赚不赔的理财。"),
        ("目标是做到最好。", "目标：一个月瘦30斤。"),
        ("旗下最轻的一款背包。", "旗下产品最好用。"),
        ("我们产品里最小的一只。", "我们的产品最好吃。"),
        ("全系列最轻便的一款。", "我们全系列面包全国最好吃。"),
        ("我们想把面包做到最好。", "想给家人最好的床垫，就来这里。"),
        ("希望给您最好的体验。", "希望给孩子最好的，就选我们。"),
        ("我们的梦想是成为行业第一。", "追求健康就选最好的床垫。"),
    ],
)
def test_a_chinese_exemption_ends_with_its_object(freed: str, caught: str) -> None:
    assert gravest(freed, "zh-CN") == "pass"
    assert gravest(caught, "zh-CN") == "block"


DISGUISES = {
    "spaces": " ".join,
    "dots": ".".join,
    "hyphens": "-".join,
    "underscores": "_".join,
    "asterisks": "*".join,
    "emoji": "🔥".join,
    "zero width": "\u200b".join,
    "full width": lambda word: "".join(chr(ord(sign) + 0xFEE0) if sign.isascii() else sign for sign in word),
    "accents": lambda word: "".join(sign + "\u0301" for sign in word),
    "one sign": lambda word: f"{word[:2]}*{word[2:]}",
    "look-alike": lambda word: word.replace("a", "\u0430").replace("e", "\u0435"),
    "digits": lambda word: word.replace("e", "3").replace("a", "4").replace("i", "1").replace("o", "0"),
    "drawn out": lambda word: word.replace(word[2], 4 * word[2], 1),
    "capitals": str.upper,
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize(
    ("words", "locale"),
    [
        (["guaranteed", "results"], "en-GB"),
        (["cures", "cancer"], "en-GB"),
        (["clinically", "proven"], "en-GB"),
        (["国家级"], "zh-CN"),
        (["最先进"], "zh-CN"),
        (["根治糖尿病"], "zh-CN"),
    ],
)
def test_a_claim_is_found_in_every_disguise_of_a_term(disguise: str, words: list[str], locale: str) -> None:
    """As the guard of terms finds them; emphasis by letters of two words has two spaces between them."""
    worn = [DISGUISES[disguise](word) for word in words]
    text = ("  " if disguise == "spaces" else " ").join(["It", *worn, "now"])
    term = " ".join(words)
    assert [one.severity for one in find_terms(text, case(banned_terms=[term]))] == ["block"]
    assert "block" in {one.severity for one in found(text, locale)}


def test_an_exemption_of_a_rank_lifts_nothing_of_health() -> None:
    rule = {"kind": "health", "severity": "block", "basis": "law", "message": "no"}
    rank = rule | {"id": "rank", "kind": "comparison"}
    aim = {"id": "aim", "kind": "aim", "basis": "law", "patterns": ["aim(?P<object>.*)"]}
    known = {"schema": 1, "version": "1", "date": "2026-01-01", "source": "law", "language": "en"}
    rules = [rule | {"id": "cure"}, rank]
    Pack.model_validate(known | {"rules": rules, "exemptions": [aim | {"lifts": ["rank"]}]})
    for lifts in (["cure"], ["nothing"]):
        with pytest.raises(ValidationError, match=lifts[0]):
            Pack.model_validate(known | {"rules": rules, "exemptions": [aim | {"lifts": lifts}]})


@pytest.mark.parametrize(
    ("locale", "markets", "missing"),
    [
        ("de-DE", [], ("DE",)),
        ("fr-FR", [], ("FR",)),
        ("ja-JP", [], ("JP",)),
        ("es-ES", ["ES", "US"], ("ES",)),
        ("en-GB", ["GB", "DE"], ("DE",)),
        ("de", [], ("de",)),
        ("en-GB", [], ()),
        ("en", [], ()),
        ("zh-TW", ["TW"], ()),
        ("de-DE", ["US"], ("de-DE",)),
    ],
)
def test_a_text_that_no_rule_knows_goes_to_a_person(
    locale: str, markets: list[str], missing: tuple[str, ...]
) -> None:
    known = case(locale=locale, markets=markets)
    assert unruled(known.brand) == missing
    rules = [(one.rule, one.severity) for one in find("Seife.", known)]
    assert rules == [("claims.no_rules", "review")] * bool(missing)


def test_of_matches_that_overlap_the_widest_is_told() -> None:
    """`never fails` says that it is safe, all of `never fails to cure eczema` that it cures."""
    (one,) = found("It never fails to cure eczema.")
    assert (one.rule, one.span) == ("claims.cure", (3, 29))


def test_claims_that_touch_are_two() -> None:
    assert sorted(one.span or () for one in found("国家级极品香皂", "zh-CN")) == [(0, 3), (3, 5)]
