"""Judging trained adapters: on which rows, with which figures."""

from __future__ import annotations

from math import exp
from pathlib import Path

import pytest
from making import write_rows, write_world

from lora_marketing.data import prepare
from lora_marketing.errors import DataError, RecipeError
from lora_marketing.evaluation import Evaluation
from lora_marketing.gate import Figures, decide
from lora_marketing.judging import judge
from lora_marketing.judging.held_out import held_out

from .conftest import World

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def judged(world: World) -> Evaluation:
    """The newer version beside the bare base and the older one."""
    return judge(
        world.adapters,
        "tidal/soap@candidate",
        ["base", str(world.old)],
        variants=2,
        base_id=str(world.root / "base"),
        recipe=world.recipe,
    )


def extra(found: Evaluation, writer: str) -> dict[str, float]:
    return next(one.extra for one in found.writers if one.writer == writer)


def test_every_writer_answers_every_held_out_brief(world: World, judged: Evaluation) -> None:
    briefs = {row.brief().model_dump_json() for row in prepare(world.load()).validation}
    assert len(briefs) == 10
    for writer in ("base", str(world.old), str(world.new)):
        texts = judged.of(writer, "tidal")
        assert {text.key for text in texts} == briefs
        assert len(texts) == 20
    assert not any("cannot be told" in note for note in judged.notes)


def test_the_loss_is_the_one_that_training_wrote_down(world: World, judged: Evaluation) -> None:
    for version in (world.old, world.new):
        metrics, found = version.manifest.metrics, extra(judged, str(version))
        assert found["loss"] == pytest.approx(metrics["held_out_loss"], rel=1e-4)
        assert found["perplexity"] == pytest.approx(exp(found["loss"]))
        assert extra(judged, "base")["loss"] == pytest.approx(metrics["base_loss"], rel=1e-4)


def test_differences_are_those_of_the_figures(world: World, judged: Evaluation) -> None:
    own, base, old = (extra(judged, name) for name in (str(world.new), "base", str(world.old)))
    assert own["proven_held_out"] == 1
    for name, other in (("base", base), (str(world.old), old)):
        gap = own[f"loss_over:{name}"]
        assert gap == pytest.approx(own["loss"] - other["loss"], abs=1e-6)
        assert own[f"loss_over:{name}_low"] < gap < own[f"loss_over:{name}_high"]
    assert own["ability_over_base"] == pytest.approx(own["ability"] - base["ability"])
    assert own["advert_over_base"] == pytest.approx(own["advert_rate"] - base["advert_rate"])
    assert 0 <= own["ability_en"] <= 1
    assert 0 <= own["ability_zh"] <= 1


def test_the_gate_reads_it(world: World, judged: Evaluation) -> None:
    result = decide(
        Figures.of(judged, str(world.new), ["Ember"]), Figures.of(judged, str(world.old), ["Ember"])
    )
    checks = {check.name: check for check in result.checks}
    assert not checks["held-out briefs"].passed, "ten are too few"
    assert checks["rows that it was not trained on"].passed
    assert checks["texts that leak"].passed
    assert checks["loss on the test texts, against the present version"].passed
    assert not result.passed


def test_without_a_recipe_there_are_no_rows(world: World) -> None:
    with pytest.raises(RecipeError, match="keeps no texts"):
        judge(world.adapters, "tidal/soap")


def swapped(world: World, folder: Path) -> Path:
    """A recipe that would test with what the versions were trained on."""
    data = prepare(world.load())
    recipe = write_world(
        folder, world.recipe.read_text().replace("texts.jsonl,", "a.jsonl, validation: b.jsonl,")
    )
    write_rows(folder / "a.jsonl", [row.model_dump() for row in data.validation])
    write_rows(folder / "b.jsonl", [row.model_dump() for row in data.train])
    return recipe


def test_rows_that_it_was_trained_on_are_refused(world: World, tmp_path: Path) -> None:
    from lora_marketing.recipe import load_recipe

    with pytest.raises(DataError, match="30 of 30"):
        held_out(load_recipe(swapped(world, tmp_path)), world.new, [])


def test_another_split_of_the_same_texts_is_found_out(world: World) -> None:
    """The rows are split again as the manifest says, so that a changed seed hides nothing."""
    with pytest.raises(DataError, match="was trained on rows that would test it"):
        held_out(world.load("train.seed=14"), world.new, [])


def test_texts_that_nobody_knows_are_told(world: World) -> None:
    loaded = world.load("data.train=" + str(write_rows(world.root / "more.jsonl", _others())))
    found = held_out(loaded, world.new, [world.old])
    assert not found.proven
    assert len(found.remarks) == 3
    assert "not those that were held out" in found.remarks[0]


def _others() -> list[dict[str, object]]:
    from making import row

    return [row(number, text=f"Another text {number}.") for number in range(20)]


def test_rows_that_another_version_knows_are_left_out(world: World) -> None:
    """Only the judged version must never have seen a row; for others the row does not count."""
    split = world.load("train.seed=14")
    of_split = prepare(split).hashes()
    data = {**world.new.manifest.data, **of_split}
    manifest = world.new.manifest.model_copy(update={"data": data, "seed": 14})
    judged = type(world.new)(world.new.name, world.new.digest, world.new.folder, manifest)
    found = held_out(split, judged, [world.old])
    trained = {row.id for row in prepare(world.load()).train}
    assert found.proven
    assert {row.id for row in found.rows} == {row.id for row in prepare(split).validation} - trained
    assert "are left out" in found.remarks[0]
