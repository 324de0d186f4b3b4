"""An evaluation of texts whose figures are known in advance, kept and compared again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.brands.brand import Brief, Example
from lora_marketing.channels.structure import write_ad
from lora_marketing.common.errors import DataError
from lora_marketing.copy.mending import Mending
from lora_marketing.evaluation import (
    Evaluation,
    ScoringOptions,
    compare,
    compare_evaluations,
    compare_writers,
    evaluate,
    read_evaluation,
    write_evaluation,
)
from lora_marketing.evaluation.scoring import CHOSEN, writers_of
from lora_marketing.metrics.copying import Passages
from tests.evaluation.making import BRIEF, copy, examples, many_copies, recipes

TODAY = date(2026, 11, 1)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    loaded = recipes()
    references = [row for one in loaded for row in examples(one)]
    return evaluate(many_copies(96), references, loaded, ScoringOptions(today=TODAY, seed=13, resamples=200))


def figure(evaluation: Evaluation, writer: str, brand: str, name: str) -> float:
    return next(s for s in evaluation.writers if (s.writer, s.brand) == (writer, brand)).figures[name].value


@pytest.mark.thorough
def test_every_writer_has_every_figure_in_both_languages(evaluation: Evaluation) -> None:
    assert [(scores.writer, scores.brand) for scores in evaluation.writers] == [
        *(("base", brand) for brand in ("ember", "lumen", "shanyu")),
        ("ember/espresso", "ember"),
        ("lumen/serum", "lumen"),
        ("shanyu/camp", "shanyu"),
    ]
    wanted = {"bleu", "chrf", "rouge_l", "distinct_2", "self_bleu", "words", "slot_coverage", "slot_errors"}
    wanted |= {"stop_rate", "copying_rate", "guards_passed", "voice"}
    for scores in evaluation.writers:
        assert wanted <= scores.figures.keys()
        for found in scores.figures.values():
            assert found.interval is None or found.interval[0] <= found.value <= found.interval[1]


def test_figures_are_those_of_the_texts(evaluation: Evaluation) -> None:
    """An adapter says its brand's real texts, every other one written for this very brief."""
    for brand, writer in (("ember", "ember/espresso"), ("shanyu", "shanyu/camp")):
        texts = evaluation.of(writer, brand)
        exact = [text for text in texts if text.text in text.references]
        assert len(exact) >= len(texts) / 2
        assert figure(evaluation, writer, brand, "voice") > 0.9
        assert figure(evaluation, "base", brand, "voice") < 0.3
        assert figure(evaluation, writer, brand, "bleu") > 40 > figure(evaluation, "base", brand, "bleu")
        assert figure(evaluation, writer, brand, "copying_rate") > 0.4
        assert figure(evaluation, "base", brand, "copying_rate") == 0
    assert evaluation.held_out is not None
    assert evaluation.held_out.accuracy > 0.9


def test_it_is_kept_whole_and_compared_again(evaluation: Evaluation, tmp_path: Path) -> None:
    write_evaluation(tmp_path / "kept.json", evaluation)
    kept = read_evaluation(tmp_path / "kept.json")
    assert kept == evaluation
    assert compare_writers(kept, "base") == compare_writers(evaluation, "base")
    same = compare_evaluations(kept, evaluation)
    assert len(same) > 60
    assert {one.difference.value for one in same} == {0}
    assert {one.difference.p for one in same} == {1}


def test_a_better_writer_is_found_better(evaluation: Evaluation) -> None:
    found = compare("chrf", evaluation.of("ember/espresso", "ember"), evaluation.of("base", "ember"), 13)
    assert found is not None
    assert found.value > 20
    assert found.p is not None
    assert found.p < 0.05


def test_only_briefs_that_both_have_are_compared(evaluation: Evaluation) -> None:
    ours, theirs = evaluation.of("ember/espresso", "ember"), evaluation.of("base", "ember")
    keys = {text.key for text in theirs[:6]}
    found = compare("words", ours, theirs[:6], 13)
    assert found is not None
    assert found.briefs == len(keys) < len({text.key for text in ours})
    assert compare("words", ours, [], 13) is None


def test_copies_of_a_brief_without_references_have_no_likeness() -> None:
    texts = [copy("A bar. It floats.", "ember"), copy("A bar.", "ember", variant=1)]
    found = evaluate(texts, [], recipes()[:1], ScoringOptions(today=TODAY))
    assert {"words", "self_bleu", "stop_rate"} <= found.writers[0].figures.keys()
    assert found.writers[0].figures.keys().isdisjoint({"bleu", "chrf", "rouge_1", "slot_coverage", "voice"})
    assert "two brands" in found.notes[0]


def test_only_the_asked_metrics_are_taken() -> None:
    found = evaluate(
        [copy("A bar.", "ember")], [], recipes()[:1], ScoringOptions(metrics=["length"], today=TODAY)
    )
    assert {"characters", "words"} <= found.writers[0].figures.keys() <= {"characters", "words", "of_limit"}


def test_texts_too_short_for_a_figure_do_without_it() -> None:
    short = [
        copy(text, "ember", adapter=writer) for text in ("Go", "") for writer in ("ember/espresso", None)
    ]
    found = evaluate(short, [], recipes()[:1], ScoringOptions(metrics=["distinct", "length"], today=TODAY))
    assert "distinct_1" in found.writers[0].figures
    assert "distinct_2" not in found.writers[0].figures
    assert "distinct_2" not in {one.figure for one in compare_writers(found, "base")}


def test_two_versions_of_an_adapter_are_two_writers() -> None:
    one, two = (copy("a", "ember", adapter="ember/espresso", digest=d * 32) for d in ("ab", "cd"))
    assert writers_of([one, one]) == ["ember/espresso"] * 2
    assert writers_of([one, two, copy("a", "ember")]) == [
        "ember/espresso:abababab",
        "ember/espresso:cdcdcdcd",
        "base",
    ]


@pytest.mark.parametrize(
    ("brand", "headlines", "description"),
    [
        ("ember", ["Dark roast", "Late shift", "Ground"], "Cocoa, then molasses."),
        ("shanyu", ["灯", "山", "夜"], "挂着。"),
    ],
)
def test_a_whole_ad_is_scored_by_its_pieces(brand: str, headlines: list[str], description: str) -> None:
    brief = Brief(product="Bar", channel="google_rsa", field="ad")
    said = write_ad({"headline": headlines, "description": [description] * 2})
    row = Example(**brief.model_dump(), id="1", text=said)
    found = evaluate([copy(said, brand, brief=brief)], [row], recipes(), ScoringOptions(today=TODAY))
    (text,) = found.texts
    assert text.text == said
    assert text.references == ["\n".join([*headlines, description, description])]
    figures = found.writers[0].figures
    assert figures["chrf"].value == pytest.approx(100)
    assert figures["characters"].value == sum(map(len, headlines)) + 2 * len(description)
    assert {"of_limit", "distinct_1", "voice", "copying_rate"} <= figures.keys()


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "pass"},
        {"round": 2},
        {"mended": [Mending(rule="spacing", span=(0, 1), before=" ", after="")]},
    ],
)
def test_texts_that_guards_chose_are_said_to_be_chosen(changes: dict[str, Any]) -> None:
    own = [copy("It floats.", "ember"), copy("It floats.", "ember", variant=1, **changes)]
    assert CHOSEN in evaluate(own, [], recipes()[:1], ScoringOptions(metrics=["length"], today=TODAY)).notes
    assert evaluate(own[:1], [], recipes()[:1], ScoringOptions(metrics=["length"], today=TODAY)).notes == []


def test_a_text_that_was_cut_to_whole_sentences_is_whole_as_it_was_for_generate() -> None:
    own = [
        copy(text, "ember", stopped=False, variant=variant, verdict=verdict)
        for variant, (text, verdict) in enumerate(
            [("It floats.", "pass"), ("It floats and", "pass"), ("It floats.", None)]
        )
    ]
    found = evaluate(own, [], recipes()[:1], ScoringOptions(metrics=["stop_rate"], today=TODAY))
    unfinished = [any(one.rule.startswith("unfinished") for one in text.findings) for text in found.texts]
    assert unfinished == [False, True, True]
    assert found.writers[0].figures["stop_rate"].value == 0


def test_brands_that_share_a_file_both_tell_their_usual_values() -> None:
    loaded = recipes()[1]
    twin = replace(loaded, brand=loaded.brand.model_copy(update={"name": "twin", "display_name": "Twin"}))
    brief = BRIEF.model_copy(update={"attributes": {"ingredient": "1% ceramides"}})
    own = [copy("With 5% lactic acid.", brand, brief=brief) for brand in ("lumen", "twin")]
    found = evaluate(own, [], [loaded, twin], ScoringOptions(metrics=["slots"], today=TODAY))
    assert [scores.figures["slots_invented"].value for scores in found.writers] == [1, 1]


def test_a_text_that_is_known_is_noticed() -> None:
    texts = ["山里黑得早，孩子会往你身边靠，挂一盏灯在帐顶。", "不一样"]
    known = {"shanyu": Passages(texts[:1])}
    copies = [copy(text, "shanyu") for text in texts]
    found = evaluate(
        copies, [], recipes()[2:], ScoringOptions(known_texts=known, metrics=["copying"], today=TODAY)
    )
    assert [text.copied for text in found.texts] == [20, 0]
    assert found.writers[0].figures["copying_rate"].value == 0.5


def test_what_is_no_evaluation_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"schema": 1}')
    with pytest.raises(DataError, match="not an evaluation"):
        read_evaluation(tmp_path / "broken.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_evaluation(tmp_path / "gone.json")


def test_an_unknown_writer_is_told(evaluation: Evaluation) -> None:
    with pytest.raises(DataError, match='no texts of "bsae"') as caught:
        compare_writers(evaluation, "bsae")
    assert caught.value.problems[0].allowed == 'did you mean "base"?'
