"""Judging trained adapters: on which rows, with which figures."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from math import exp
from pathlib import Path

import pytest

from lora_marketing.common.errors import DataError, RecipeError
from lora_marketing.copy.record import Copy
from lora_marketing.data.dataset import prepare
from lora_marketing.evaluation import Evaluation
from lora_marketing.evaluation.promotion_gate import PromotionFigures, decide
from lora_marketing.model_eval import TrialOptions, judge
from lora_marketing.model_eval.ability import Ability, OpenAnswer
from lora_marketing.model_eval.bench import Sheet, Trial, scored
from lora_marketing.model_eval.held_out import held_out
from lora_marketing.model_eval.losses import Losses
from lora_marketing.model_eval.scoring import Likelihood
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.registry.files import KNOWN_TEXTS
from lora_marketing.registry.version import Version
from lora_marketing.text.known_texts import KnownTexts
from lora_marketing.writing.copywriter import Voice
from tests.making import row, write_rows, write_world
from tests.model_eval.conftest import World

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def judged(world: World) -> Evaluation:
    """The newer version beside the bare base and the older one."""
    return judge(
        world.adapters,
        "tidal/soap@candidate",
        TrialOptions(["base", str(world.old)], world.recipe, variants=2, base_id=str(world.root / "base")),
    )


def extra(found: Evaluation, writer: str) -> dict[str, float]:
    return next(one.extra for one in found.writers if one.writer == writer)


@pytest.mark.thorough
def test_every_writer_answers_every_held_out_brief(world: World, judged: Evaluation) -> None:
    briefs = {row.key for row in prepare(world.load()).validation}
    assert len(briefs) == 10
    for writer in ("base", str(world.old), str(world.new)):
        texts = judged.of(writer, "tidal")
        assert {text.key for text in texts} == briefs
        assert len(texts) == 20
    assert not any("cannot be told" in note for note in judged.notes)


@pytest.mark.thorough
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
        PromotionFigures.of(judged, str(world.new), ["Ember"]),
        PromotionFigures.of(judged, str(world.old), ["Ember"]),
    )
    checks = {check.name: check for check in result.checks}
    assert not checks["held-out briefs"].passed, "ten are too few"
    assert checks["rows that it was not trained on"].passed
    assert checks["texts that leak"].passed
    assert checks["loss on the test texts, against the present version"].passed
    assert not result.passed


def test_without_a_recipe_there_are_no_rows(world: World) -> None:
    with pytest.raises(RecipeError, match="keeps no texts"):
        judge(world.adapters, "tidal/soap", TrialOptions())


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
    with pytest.raises(DataError, match="30 of 30"):
        held_out(load_recipe(swapped(world, tmp_path)), world.new, [])


@pytest.mark.parametrize("override", ["train.seed=14", "data.validation_fraction=0.1"])
def test_the_rows_are_those_that_the_manifest_held_out(world: World, override: str) -> None:
    """However the recipe would split its texts now."""
    found = held_out(world.load(override), world.new, [])
    assert found.rows == prepare(world.load()).validation
    assert found.proven
    assert found.remarks == []


def test_texts_that_nobody_knows_are_told(world: World) -> None:
    loaded = world.load("data.train=" + str(write_rows(world.root / "more.jsonl", _others())))
    found = held_out(loaded, world.new, [world.old])
    assert not found.proven
    assert len(found.remarks) == 3
    assert "not those that were held out" in found.remarks[0]


def _others() -> list[dict[str, object]]:
    return [row(number, text=f"Another text {number}.") for number in range(20)]


def test_rows_that_another_version_knows_are_left_out(world: World) -> None:
    """Only the judged version must never have seen a row; for others the row does not count."""
    split = world.load("train.seed=14")
    judged = of_split(world.new, split)
    found = held_out(split, judged, [world.old])
    trained = {row.id for row in prepare(world.load()).train}
    assert found.proven
    assert {row.id for row in found.rows} == {row.id for row in prepare(split).validation} - trained
    assert "are left out" in found.remarks[0]


def of_split(
    version: Version, loaded: LoadedRecipe, parent: str | None = None, known: Path | None = None
) -> Version:
    """The version as if it were trained on a recipe's split, with a start and a file of known texts."""
    files = {KNOWN_TEXTS: sha256(known.read_bytes()).hexdigest()} if known else {}
    data = dict(prepare(loaded).hashes())
    told = {"data": data, "seed": loaded.recipe.train.seed, "parent": parent, "files": files}
    folder = known.parent if known else version.folder
    return replace(version, folder=folder, manifest=version.manifest.model_copy(update=told))


@pytest.fixture
def preferring(world: World, tmp_path: Path) -> LoadedRecipe:
    """Forty pairs, whose chosen texts are new."""
    taken = [row(n, text=..., chosen=f"Text {n} is new.", rejected=f"Dull {n}.") for n in range(1, 41)]
    pairs = write_rows(tmp_path / "pairs.jsonl", taken)
    return world.load("train.method=dpo", f"data.pairs={pairs}", "data.validation_fraction=0.25")


def test_what_its_start_was_trained_on_is_left_out(
    world: World, preferring: LoadedRecipe, tmp_path: Path
) -> None:
    """Pairs say nothing of the texts that a start knows; its hashes do."""
    data = prepare(preferring)
    before = KnownTexts.of(
        [*(text.text.upper() for text in data.validation[:3]), "It was taught this before."]
    )
    known = tmp_path / KNOWN_TEXTS
    known.write_bytes((before | KnownTexts.of(text.text for text in data.train)).to_bytes())
    judged = of_split(world.new, preferring, "1" * 64, known)
    found = held_out(preferring, judged, [])
    assert found.rows == data.validation[3:]
    assert found.proven
    assert found.remarks == [f"3 rows are left out: {judged} or its start knows them"]
    assert found.taught.overlap("It was taught this before.").whole
    other = replace(judged, digest="2" * 64)
    assert held_out(preferring, of_split(world.new, preferring), [other]).rows == data.validation[3:]


def test_a_start_of_which_no_texts_are_known_proves_nothing(world: World, preferring: LoadedRecipe) -> None:
    found = held_out(preferring, of_split(world.new, preferring, "1" * 64), [])
    assert not found.proven
    assert ["its start" in remark and "cannot be told" in remark for remark in found.remarks] == [True]


@pytest.mark.thorough
def test_copying_is_held_against_what_the_start_was_taught(world: World, preferring: LoadedRecipe) -> None:
    told = "Our bars float because we whip air into them by hand every single morning."
    found = replace(held_out(preferring, of_split(world.new, preferring), []), taught=KnownTexts.of([told]))
    copy = Copy(
        text=told,
        brand="tidal",
        line="soap",
        adapter="tidal/soap",
        digest="1" * 64,
        base="tiny",
        seed=13,
        variant=0,
        prompt_sha256="",
        stopped=True,
        tokens=9,
        brief=found.rows[0].brief(),
    )
    voice = Voice(preferring.brand, "soap", "tidal/soap", "1" * 64)
    sheet = Sheet(
        voice, [copy], Losses([Likelihood(-1.0, 2)]), Ability({"en": [True]}, [OpenAnswer("?", "Yes.", [])])
    )
    (text,) = scored(Trial(preferring, found, [sheet], 13)).texts
    assert text.copied == 14
