from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lora_marketing.common.errors import RecipeError
from lora_marketing.recipe import Recipe, load_recipe, variant_named, variant_names
from lora_marketing.recipe.extra import FORBIDDEN, OWNED
from lora_marketing.recipe.schema import path_keys
from tests.making import property_test, write_world


def keys(model: type[BaseModel], head: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{head}{name}.")
        else:
            yield head + (info.alias or name)


KEYS = list(keys(Recipe))


def test_a_recipe_stays_small_enough_to_read() -> None:
    assert 30 <= len(KEYS) <= 50, f"{len(KEYS)} keys: {', '.join(KEYS)}"


def test_what_extra_points_to_is_there() -> None:
    told = {key for text in OWNED.values() for key in text.split(" and ")}
    assert told - set(KEYS) - {"train.report_to"} == set()
    assert not FORBIDDEN & OWNED.keys()


def test_paths_are_marked() -> None:
    data = {("data", "train"), ("data", "pairs"), ("data", "validation")}
    assert path_keys() == {("base", "id"), *data, ("brand", "profile")}


@property_test
@given(st.sampled_from(KEYS), st.sampled_from(["{}", "[]", "x y", "-1", ".nan", "true", "[[1]]", "~"]))
def test_no_value_of_any_key_ends_in_a_traceback(tmp_path: Path, key: str, value: str) -> None:
    path, override = write_world(tmp_path), f"{key}={value}"
    try:
        load_recipe(path, [override]).digest()
    except RecipeError as error:
        places = {problem.where for problem in error.problems}
    else:
        return
    assert places <= {f"--set {override}", str(path)}


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["lora.variant=pissa"], "LoRA variant pissa cannot be used"),
        (["lora.variant=loftq", "base.quantization=none"], "loftq needs a quantized base"),
        (["lora.variant=dora", "lora.dropout=0.1"], "dora with dropout"),
        (["lora.variant=lora"], 'unknown LoRA variant "lora"'),
    ],
)
def test_variants_that_cannot_work_are_refused_with_a_reason(
    tmp_path: Path, overrides: list[str], told: str
) -> None:
    with pytest.raises(RecipeError, match=told) as caught:
        load_recipe(write_world(tmp_path), overrides)
    (problem,) = caught.value.problems
    assert problem.where == f"--set {overrides[0]}"
    assert problem.fix or problem.allowed


@pytest.mark.parametrize("variant", [name for name in variant_names() if not variant_named(name).refused])
def test_every_other_variant_loads(tmp_path: Path, variant: str) -> None:
    assert load_recipe(write_world(tmp_path), [f"lora.variant={variant}"]).recipe.lora.variant == variant
