"""A LoRA variant is one object in one file, which every part of the kit asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_marketing.common.errors import RecipeError
from lora_marketing.planning.batches import as_tree
from lora_marketing.planning.memory import layer_activations, lora_parameters
from lora_marketing.recipe import load_recipe, variant_named, variant_names
from lora_marketing.recipe.variants import GateFlags, variants_with
from tests.making import with_variants, write_world
from tests.planning.making import SHAPE, rows

HEAD = "from lora_marketing.recipe.variants import Conflict, LoraVariant, MemoryCost\n"


def test_the_files_are_the_variants_plain_first() -> None:
    assert variant_names() == ("plain", "dora", "loftq", "loraplus", "pissa", "rslora")
    for name in variant_names():
        variant = variant_named(name)
        assert variant.summary
        assert variant.source.startswith("arXiv:")


def test_variants_are_told_apart_by_what_the_load_gate_finds() -> None:
    assert variants_with(GateFlags(use_rslora=False, use_dora=True)) == "dora"
    assert variants_with(GateFlags(use_rslora=True, use_dora=False)) == "rslora"
    assert variants_with(GateFlags(use_rslora=False, use_dora=False)) == "plain, loftq or loraplus"
    assert variants_with(GateFlags(use_rslora=True, use_dora=True)) == "no variant"


USELESS = {
    "renamed": 'VARIANT = LoraVariant("nothing new", "nowhere")',
    "restated": 'VARIANT = LoraVariant("as plain says", "nowhere", peft={"use_dora": False})',
    "costly": 'VARIANT = LoraVariant("only dearer", "nowhere", memory=MemoryCost(trained=3))',
}


@pytest.mark.parametrize("name", USELESS)
def test_a_variant_that_changes_nothing_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_variants(tmp_path, monkeypatch, {name: HEAD + USELESS[name]})
    with pytest.raises(RecipeError, match=f"variant {name} changes nothing against plain") as caught:
        load_recipe(write_world(tmp_path / "world"), [f"lora.variant={name}"])
    assert caught.value.problems[0].where == f"--set lora.variant={name}"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ('VARIANT = LoraVariant("", "", peft={"r": 8})', "sets r, which lora.rank sets"),
        ("VARIANTS = 3", "more_variants/new.py: the file holds no LoRA variant"),
        (
            'VARIANT = LoraVariant("", "", peft={"use_dora": True}, conflicts=(Conflict("train.epochs",'
            ' clashes=lambda epochs: epochs > 2, what="too long", fix="train.epochs: 2"),))',
            "too long\n    got: train.epochs: 3.0\n    fix: train.epochs: 2",
        ),
        ('VARIANT = LoraVariant("", "", refused="use plain")', "new cannot be used\n    fix: use plain"),
    ],
)
def test_what_is_wrong_with_a_variant_is_told(
    source: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_variants(tmp_path, monkeypatch, {"new": HEAD + source})
    with pytest.raises(RecipeError) as caught:
        load_recipe(write_world(tmp_path / "world"), ["lora.variant=new"])
    assert problem in str(caught.value)


def test_a_variant_says_what_it_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more trained number per output, three more kept values: per layer, for every token."""
    source = HEAD + 'VARIANT = LoraVariant("", "", peft={"use_dora": True}, memory=MemoryCost(1, 3))'
    with_variants(tmp_path, monkeypatch, {"dear": source})
    world = write_world(tmp_path / "world")
    plain, dear = (load_recipe(world, [f"lora.variant={name}"]).recipe for name in ("plain", "dear"))
    outputs, batch = sum(out for out, _ in SHAPE.linear.values()), as_tree(rows().train[:3])
    assert lora_parameters(SHAPE, dear) - lora_parameters(SHAPE, plain) == SHAPE.layers * outputs
    more = layer_activations(SHAPE, dear, batch) - layer_activations(SHAPE, plain, batch)
    assert more == batch.computed * 3 * outputs * 2


def test_a_key_that_no_chosen_variant_reads_is_told(tmp_path: Path) -> None:
    """But an overlay may take another variant and leave its parent's key behind."""
    ratio = "lora.b_learning_rate_ratio=8"
    world = write_world(tmp_path)
    with pytest.raises(RecipeError, match="b_learning_rate_ratio is read by loraplus only") as caught:
        load_recipe(world, [ratio])
    assert caught.value.problems[0].where == f"--set {ratio}"
    for fine in ([ratio, "lora.variant=loraplus"], ["lora.b_learning_rate_ratio=16"]):
        load_recipe(world, fine)
    parent = tmp_path / "plus.yaml"
    parent.write_text("extends: recipe.yaml\nlora: {variant: loraplus, b_learning_rate_ratio: 8}\n")
    assert load_recipe(parent, ["lora.variant=plain"]).recipe.lora.b_learning_rate_ratio == 8
