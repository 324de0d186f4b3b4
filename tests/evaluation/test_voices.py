from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_marketing.common.errors import DataError
from lora_marketing.data.dataset import read_examples
from lora_marketing.evaluation import VoiceReport, score_voices
from lora_marketing.evaluation.voices import taught
from lora_marketing.recipe import LoadedRecipe, load_recipe
from tests.evaluation.making import copy
from tests.making import BRANDS


@pytest.fixture(scope="module")
def recipes() -> list[LoadedRecipe]:
    names = ("ember-espresso", "ember-filter", "lumen-serum")
    return [load_recipe(BRANDS / f"{name}.yaml") for name in names]


@pytest.fixture(scope="module")
def report(recipes: list[LoadedRecipe]) -> VoiceReport:
    """Ember's own texts by an adapter, and passed off as Lumen's by the base; Lumen's by its adapter."""
    ember = [row.text for _, row in read_examples(recipes[0].train_file)][:20]
    lumen = [row.text for _, row in read_examples(recipes[2].train_file)][:20]
    copies = [copy(text, "ember", adapter="ember/espresso") for text in ember]
    copies += [
        copy(text, "lumen", adapter="lumen/serum", stopped=index < 5) for index, text in enumerate(lumen)
    ]
    copies += [copy(text, "lumen") for text in ember]
    return score_voices(copies, recipes, seed=13)


@pytest.mark.thorough
def test_a_row_for_each_writer_and_brand(report: VoiceReport) -> None:
    assert [(row.writer, row.brand, row.score.n, row.stopped) for row in report.rows] == [
        ("base", "lumen", 20, 1.0),
        ("ember/espresso", "ember", 20, 1.0),
        ("lumen/serum", "lumen", 20, 0.25),
    ]


@pytest.mark.thorough
def test_real_texts_sound_like_their_brand_and_not_like_another(report: VoiceReport) -> None:
    assert report.of(adapters=True) > 0.9
    assert report.of(adapters=False) < 0.1
    assert report.held_out.accuracy > 0.9
    # both recipes of Ember teach from one file, whose rows count once
    rows = [len(read_examples(BRANDS / name / "texts.jsonl")) for name in ("ember", "lumen")]
    assert report.held_out.n == sum(rows)


def test_files_of_one_brand_may_number_their_rows_alike(tmp_path: Path, recipes: list[LoadedRecipe]) -> None:
    rows = [json.loads(line) for line in recipes[0].train_file.read_text(encoding="utf-8").splitlines()]
    more = tmp_path / "more.jsonl"
    more.write_text("".join(json.dumps({**row, "text": f"{row['text']} Flat."}) + "\n" for row in rows))
    other = load_recipe(BRANDS / "ember-espresso.yaml", [f"data.train={more}"])
    texts, _ = taught([recipes[0], other])
    assert len(texts) == 2 * len(rows)


def test_the_report_is_plain_data(report: VoiceReport) -> None:
    plain = json.loads(json.dumps(report.as_dict()))
    assert [row["writer"] for row in plain["rows"]] == [row.writer for row in report.rows]


def test_no_rows_is_no_share(report: VoiceReport) -> None:
    assert VoiceReport(report.held_out, []).of(adapters=True) == 0


def test_copies_of_a_brand_that_nobody_teaches(recipes: list[LoadedRecipe]) -> None:
    with pytest.raises(DataError, match="without real texts") as caught:
        score_voices([copy("a", "zeta"), copy("a", "alpha"), copy("a", "ember")], recipes, seed=13)
    assert caught.value.problems[0].got == "alpha, zeta"


def test_one_brand_cannot_be_told_apart(recipes: list[LoadedRecipe]) -> None:
    with pytest.raises(DataError, match="two brands are needed"):
        score_voices([copy("a", "ember")], recipes[:2], seed=13)
