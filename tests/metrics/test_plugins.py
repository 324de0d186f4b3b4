"""Every metric against an independent count, in English and in Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from lora_marketing.brands.brand import Brief
from lora_marketing.channels.structure import write_ad
from lora_marketing.metrics import MeasuredText, all_figures, load_metric, metric_names
from lora_marketing.metrics.distinct import distinct
from tests.making import property_test

ENGLISH = [
    ("Dark roast. Cocoa, then molasses. £9 a bag.", ["Dark roast, cocoa, molasses. £9.", "It is late."]),
    ("The rest of the street is asleep.", ["The rest of the street sleeps, you do not."]),
    ("Go.", ["Nothing of that sort"]),
]
CHINESE = [
    ("薄霜睡袋重 680 克，很轻。", ["薄霜睡袋只有 680 克。", "轻得很"]),
    ("带上睡袋和帐篷，去山里。", ["帐篷和睡袋，都带到山里去。"]),
]


def brief(**attributes: str) -> Brief:
    return Brief(product="Bar", channel="sms", field="text", attributes=attributes)


def written(text: str, references: list[str] | None = None, language: str = "en") -> MeasuredText:
    return MeasuredText(text, brief(), "tidal", language, references=references or [])


def value(metric: str, figure: str, texts: list[MeasuredText]) -> float:
    counts = [found[figure] for found in load_metric(metric).count(texts) if figure in found]
    return all_figures()[figure].value([sum(column) for column in zip(*counts, strict=True)])


def padded(rows: list[tuple[str, list[str]]]) -> list[list[str | None]]:
    """References as sacrebleu wants them: the first of every text, the second (None without), ..."""
    most = max(len(references) for _, references in rows)
    return [[r[n] if n < len(r) else None for _, r in rows] for n in range(most)]


@pytest.mark.parametrize(("rows", "language"), [(ENGLISH, "en"), (CHINESE, "zh")])
def test_bleu_and_chrf_of_added_counts_are_sacrebleus_for_the_corpus(
    rows: list[tuple[str, list[str]]], language: str
) -> None:
    texts = [written(text, references, language) for text, references in rows]
    hypotheses = [text for text, _ in rows]
    bleu = BLEU(tokenize="zh" if language == "zh" else "13a").corpus_score(hypotheses, padded(rows))
    assert value("bleu", "bleu", texts) == pytest.approx(bleu.score)
    single = [(text, references[:1]) for text, references in rows]
    texts = [written(text, references, language) for text, references in single]
    assert value("chrf", "chrf", texts) == pytest.approx(
        CHRF().corpus_score(hypotheses, padded(single)).score
    )


@property_test
@given(st.lists(st.tuples(st.text("ab c山里", max_size=12), st.text("ab c山里", max_size=12)), min_size=1))
def test_chrf_counts_as_sacrebleu_does_for_any_text(pairs: list[tuple[str, str]]) -> None:
    texts = [written(text, [reference]) for text, reference in pairs]
    wanted = CHRF().corpus_score([a for a, _ in pairs], [[b for _, b in pairs]]).score
    assert value("chrf", "chrf", texts) == pytest.approx(wanted)


def test_rouge_by_hand() -> None:
    # 3 of 4 words and 2 of 3 pairs are shared; the longest common sequence is three words
    texts = [written("grind it very fine", ["You grind it fine", "grind it very coarse"])]
    assert value("rouge", "rouge_1", texts) == pytest.approx(75)
    assert value("rouge", "rouge_2", texts) == pytest.approx(100 * 2 / 3)
    assert value("rouge", "rouge_l", texts) == pytest.approx(75)
    # by characters: 很轻 against 很重 shares one of two
    assert value("rouge", "rouge_1", [written("很轻", ["很重"], "zh")]) == pytest.approx(50)


def test_distinct_by_hand() -> None:
    assert distinct(["a b a", "b"], 1) == 2 / 4
    assert distinct(["a b a", "b a"], 2) == 2 / 3
    assert distinct(["山里山外"], 1) == 3 / 4


def test_self_bleu_is_taken_among_variants_of_one_brief_only() -> None:
    same = [written("Dark roast and cocoa today.")] * 2
    assert value("self_bleu", "self_bleu", same) == pytest.approx(100)
    alone = MeasuredText("Dark roast and cocoa today.", brief(price="£9"), "tidal", "en")
    assert [bool(found) for found in load_metric("self_bleu").count([*same, alone])] == [True, True, False]


def test_length_counts_in_the_units_of_the_channel() -> None:
    headline = Brief(product="Bar", channel="google_rsa", field="headline")
    texts = [
        MeasuredText("山里黑得早", headline, "tidal", "zh"),
        MeasuredText("It's dark in June", headline, "tidal", "en"),
    ]
    assert value("length", "characters", texts) == 11
    assert value("length", "words", texts) == 4.5
    assert value("length", "of_limit", texts) == pytest.approx((10 + 17) / 2 / 30)


AD_TEXTS = {"en": ["Dark roast", "Go", 'Ground\nfor "you".'], "zh": ["山里黑得早", "走", "灯，挂着。"]}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_whole_ad_is_read_without_its_json(language: str) -> None:
    one, two, three = AD_TEXTS[language]
    ad = Brief(product="Bar", channel="google_rsa", field="ad")
    said = MeasuredText(write_ad({"headline": [one, two], "description": [three]}), ad, "tidal", language)
    assert said.text == f"{one}\n{two}\n{three}"
    assert value("length", "characters", [said]) == len(one + two + three)
    assert value("length", "words", [said]) == {"en": 6, "zh": 9}[language]
    wide = 2 if language == "zh" else 1
    shares = [len(one) * wide / 30, len(two) * wide / 30, len(three) * wide / 90]
    assert value("length", "of_limit", [said]) == pytest.approx(sum(shares) / 3)
    same = MeasuredText(said.answer, ad, "tidal", language, references=[said.text])
    assert value("chrf", "chrf", [same]) == pytest.approx(100)
    assert value("rouge", "rouge_1", [same]) == pytest.approx(100)


def test_a_broken_ad_has_nothing_to_read() -> None:
    broken = MeasuredText(
        '{"headline": ["Dark', Brief(product="Bar", channel="google_rsa", field="ad"), "x", "en"
    )
    assert (broken.text, list(load_metric("length").count([broken]))) == ("", [{}])


def test_shares_count_what_was_looked_at() -> None:
    asked = [
        MeasuredText("a", brief(), "tidal", "en", True, (), "pass", "tidal", 9),
        MeasuredText("b", brief(), "tidal", "en", False, (), "block", "fjord", 0),
    ]
    unasked = written("c")
    for metric, figure in (
        ("stop_rate", "stop_rate"),
        ("guard_pass", "guards_passed"),
        ("guard_pass", "guards_blocked"),
        ("voice", "voice"),
        ("copying", "copying_rate"),
    ):
        assert value(metric, figure, asked) == 0.5
        if metric != "stop_rate":
            assert list(load_metric(metric).count([unasked])) == [{}]


def test_every_metric_tells_each_text_only_of_its_own_figures() -> None:
    texts = [written(text, references) for text, references in ENGLISH]
    for name in metric_names():
        metric = load_metric(name)
        found = list(metric.count(texts))
        assert len(found) == len(texts)
        assert {figure for one in found for figure in one} <= set(metric.FIGURES)
