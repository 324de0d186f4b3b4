"""Only like is compared with like: the same briefs, as many texts, the same things to hold them against."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.brands.brand import Brief
from lora_marketing.common.errors import DataError
from lora_marketing.copy.record import Copy
from lora_marketing.evaluation import (
    Evaluation,
    ScoringOptions,
    compare,
    compare_evaluations,
    compare_writers,
    evaluate,
    incomparable,
)
from lora_marketing.metrics import all_figures, load_metric
from lora_marketing.metrics.copying import Passages
from lora_marketing.recipe import LoadedRecipe, load_recipe
from tests.evaluation.making import copy, many_copies, recipes

TODAY = date(2026, 11, 1)
WORDS = {
    "ember": ["Dark roast.", "It is late and you are up.", "The street is asleep.", "Grind it fine."],
    "shanyu": ["山里黑得早。", "挂一盏灯在帐顶。", "天亮再走，不急。", "孩子会往你身边靠。"],
}


def written(brand: str, writer: str | None, variants: int, briefs: int = 8) -> list[Copy]:
    return [
        copy(
            f"{number} {WORDS[brand][variant]}",
            brand,
            adapter=writer,
            digest="ab" * 32 if writer else None,
            variant=variant,
            brief=Brief(product=f"P{number}", channel="sms", field="text"),
        )
        for number in range(briefs)
        for variant in range(variants)
    ]


def taken(copies: list[Copy], **options: Any) -> Evaluation:
    return evaluate(copies, [], recipes(), ScoringOptions(today=TODAY, resamples=100, **options))


@pytest.mark.parametrize("brand", ["ember", "shanyu"])
def test_who_wrote_more_variants_is_not_the_less_diverse_for_it(brand: str) -> None:
    """The first two variants are the same texts: all that differs is how many there are."""
    found = taken([*written(brand, None, 2), *written(brand, "x/y", 4)], metrics=["distinct", "self_bleu"])
    ours, theirs = found.of("x/y", brand), found.of("base", brand)
    for name in ("distinct_1", "distinct_2", "self_bleu"):
        difference = compare(name, ours, theirs, 13, 100)
        assert difference is not None
        assert (difference.value, difference.p, difference.briefs) == (0, 1, 8)
    old = [text.model_copy(update={"language": None}) for text in ours]
    assert compare("self_bleu", old, theirs, 13, 100) is None


def test_only_the_figures_that_were_asked_for_are_compared() -> None:
    found = taken([*written("ember", None, 1), *written("ember", "x/y", 1)], metrics=["length"])
    names = {one.figure for one in compare_writers(found, "base")}
    assert {"characters", "words"} <= names <= {"characters", "words", "of_limit"}


def test_one_writer_is_compared_if_asked() -> None:
    copies = [one for writer in (None, "x/y", "x/z") for one in written("ember", writer, 1)]
    found = taken(copies, metrics=["length"])
    assert {one.writer for one in compare_writers(found, "base", "x/z")} == {"x/z"}
    assert {one.writer for one in compare_writers(found, "base")} == {"x/y", "x/z"}
    with pytest.raises(DataError) as caught:
        compare_writers(found, "bsae", "x/q")
    assert len(caught.value.problems) == 2


def named(new: Evaluation, old: Evaluation) -> set[str]:
    return {one.figure for one in compare_evaluations(new, old)}


@pytest.mark.parametrize(
    ("metric", "other"),
    [
        ("copying", {"known_texts": {"lumen": Passages(["another"])}}),
        ("slots", {"wordings": {"ingredient": {"10% vitamin C": ["the usual"]}}}),
    ],
)
def test_figures_held_against_other_things_are_not_compared(metric: str, other: dict[str, Any]) -> None:
    copies, figures = of_lumen(), load_metric(metric).FIGURES.keys()
    one, same, another = (taken(copies, metrics=[metric, "length"], **options) for options in ({}, {}, other))
    assert named(one, same) > figures
    assert incomparable(one, same) == []
    assert "words" in named(one, another)
    assert named(one, another).isdisjoint(figures)
    (note, *_) = incomparable(one, another)
    assert note.startswith("base as lumen: ")
    assert all(all_figures()[name].title in note for name in figures)


@pytest.mark.thorough
def test_other_voices_are_not_compared_and_older_documents_do_not_say(tmp_path: Path) -> None:
    copies, loaded = of_lumen(), [with_fewer_texts(one, tmp_path) for one in recipes()[:2]]
    profile = loaded[0].brand.model_copy(update={"name": "twin", "display_name": "Twin"})
    one, another = (
        evaluate(copies, [], own, ScoringOptions(metrics=["voice", "length"], today=TODAY, resamples=100))
        for own in (loaded, [*loaded, replace(loaded[0], brand=profile)])
    )
    older = Evaluation.model_validate_json(
        one.model_dump_json(by_alias=True, exclude={"writers": {"__all__": {"held_against"}}})
    )
    assert "voice" in named(one, one)
    for other in (another, older):
        assert "voice" not in named(one, other)
        assert len(incomparable(one, other)) == 2
    assert "voice" in {found.figure for found in compare_writers(older, "base")}


def with_fewer_texts(loaded: LoadedRecipe, folder: Path) -> LoadedRecipe:
    """Every fifth: a voice is learned from these in less than half a second."""
    lines = loaded.train_file.read_text(encoding="utf-8").splitlines(keepends=True)
    fewer = folder / f"{loaded.brand.name}.jsonl"
    fewer.write_text("".join(lines[::5]), encoding="utf-8")
    return load_recipe(loaded.path, [f"data.train={fewer}"])


def of_lumen() -> list[Copy]:
    return [one for one in many_copies(48) if one.brand == "lumen"]
