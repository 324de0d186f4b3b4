"""What a manifest keeps of recipe, data and brands, and what is read from it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_marketing.bases.locate import prompt_settings
from lora_marketing.brands.brand import Brand
from lora_marketing.common.errors import BaseModelError
from lora_marketing.data.dataset import prepare
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.registry import AdapterName, AdapterRef, Registry, Version
from lora_marketing.registry.provenance import (
    base_section_here,
    brand_names,
    other_names,
    recipe_of,
    recorded_data,
    recorded_recipe,
)
from tests.making import BRAND, rows, write_rows, write_world
from tests.registry.making import manifest, write_adapter

MINIMAL = {"locale": "en-GB", "lines": {"soap": "Bars."}, "guide": "Write short sentences."}


def loaded(folder: Path, brand: str = BRAND) -> LoadedRecipe:
    recipe = write_world(folder)
    (folder / "brand.yaml").write_text(brand, encoding="utf-8")
    return load_recipe(recipe)


def published(registry: Registry, name: str, display: str | None, seed: int = 13) -> Version:
    """A version whose profile has this display name, or that keeps no profile at all."""
    profile = {} if display is None else {"brand_profile": {"display_name": display}}
    own = AdapterName.parse(name)
    adapter = write_adapter(registry.root.parent / "run")
    return registry.publish(own, adapter, manifest(own, recipe=profile, seed=seed))


def test_base_brand_and_line_are_read_from_what_was_recorded(tmp_path: Path) -> None:
    recipe = loaded(tmp_path)
    recorded = recorded_recipe(recipe)
    assert recorded.keys() == recipe.portable().keys() | {"brand_profile"}
    kept = manifest(AdapterName("tidal", "soap"), recipe=recorded)
    assert recipe_of(kept) == (recipe.recipe.base, recipe.brand, "soap")
    read = type(kept).from_bytes(kept.canonical(), tmp_path)
    assert recipe_of(read) == (recipe.recipe.base, recipe.brand, "soap")


def test_recorded_data_changes_with_rows_and_with_what_the_brand_makes_of_them(tmp_path: Path) -> None:
    plain, again = loaded(tmp_path / "a"), loaded(tmp_path / "b")
    guided = loaded(tmp_path / "c", BRAND.replace("short", "long"))
    retold = loaded(tmp_path / "d")
    write_rows(tmp_path / "d" / "texts.jsonl", [row | {"text": row["text"] + " Always."} for row in rows()])
    data = [recorded_data(recipe, prepare(recipe)) for recipe in (plain, again, guided, retold)]
    assert data[0] == data[1]
    assert {key for key in data[0] if data[0][key] != data[2][key]} == {"chats_sha256"}
    assert {"chats_sha256", "train_sha256", "validation_sha256"} <= {
        key for key in data[0] if data[0][key] != data[3][key]
    }


def test_every_brand_is_known_by_its_newest_or_usual_version(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "adapters")
    assert brand_names(registry) == frozenset()
    old = published(registry, "ember/espresso", "Ember Coffee")
    published(registry, "ember/espresso", "Ember", seed=2)
    published(registry, "ember/gifts", "Ember Gifts")
    published(registry, "lumen/serum", "Lumen")
    published(registry, "plain/line", None)
    assert brand_names(registry) == {("ember", "Ember"), ("ember", "Ember Gifts"), ("lumen", "Lumen")}
    registry.promote(AdapterRef(old.name, digest=old.digest), "prod")
    assert ("ember", "Ember Coffee") in brand_names(registry)
    assert ("ember", "Ember") not in brand_names(registry)


def test_a_damaged_version_hides_no_other(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "adapters")
    kept = published(registry, "ember/espresso", "Ember")
    damaged = published(registry, "ember/espresso", "Emberly", seed=2)
    lost = published(registry, "lumen/serum", "Lumen")
    for version in (damaged, lost):
        (version.folder / "manifest.json").unlink()
    assert registry.aliases(kept.name) == {"candidate": damaged.digest}
    assert brand_names(registry) == {("ember", "Ember")}


def test_other_brands_are_those_with_another_name_and_another_display_name() -> None:
    tidal = Brand.model_validate({"schema": 1, "name": "tidal", "display_name": "Tidal", **MINIMAL})
    names = [
        ("lumen", "Lumen"),
        ("tidal", "Tidal Soap"),
        ("ember", "Ember"),
        ("twin", "Tidal"),
        ("e2", "Ember"),
    ]
    assert other_names(tidal, names) == ("Ember", "Lumen")
    assert other_names(tidal, []) == ()


def test_the_user_s_word_goes_before_the_manifest_s() -> None:
    named = BaseSection(id="HuggingFaceTB/SmolLM2-135M-Instruct")
    local = BaseSection(id="./bases/tiny")
    assert base_section_here(named, None) == named
    for section in (named, local):
        here = base_section_here(section, "/here")
        assert here.id == "/here"
        assert prompt_settings(here) == prompt_settings(section)
    thinking = BaseSection(id="qwen3-0.6b", chat_date="2031-05-06")
    assert prompt_settings(base_section_here(thinking, "/here")).arguments == {"enable_thinking": False}
    with pytest.raises(BaseModelError, match="--base-id"):
        base_section_here(local, None)
