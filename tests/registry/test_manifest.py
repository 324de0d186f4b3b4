from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lora_marketing.common.errors import RegistryError
from lora_marketing.registry import Manifest
from lora_marketing.registry.manifest import now
from tests.registry.making import manifest, property_test

HERE = Path("manifest.json")
texts = st.text(alphabet=st.characters(codec="utf-8"))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
recipes = st.dictionaries(texts, scalars | st.lists(scalars, max_size=3), max_size=5)


@property_test
@given(recipes)
def test_what_is_written_is_read_back(recipe: dict[str, Any]) -> None:
    written = manifest(recipe=recipe)
    read = Manifest.from_bytes(written.canonical(), HERE)
    assert read == written
    assert read.digest == written.digest


def test_canonical_form_is_fixed() -> None:
    raw = manifest(recipe={"b": "皂", "a": 1}).canonical()
    assert raw.startswith(b'{"base":{"chat_template":"c",')
    assert '"recipe":{"a":1,"b":"皂"},"schema":1,"seed":13}'.encode() in raw
    assert manifest(recipe={"b": "皂", "a": 1}).digest == hashlib.sha256(raw).hexdigest()


def test_order_does_not_matter_and_content_does() -> None:
    assert manifest(recipe={"a": 1, "b": 2}).digest == manifest(recipe={"b": 2, "a": 1}).digest
    assert manifest(seed=1).digest != manifest(seed=2).digest


@pytest.mark.parametrize(
    "recipe", [{"a": float("nan")}, {"a": {1, 2}}, {"a": "\ud800"}, {"a": Path("x")}, {"a": [float("inf")]}]
)
def test_a_recipe_that_is_not_json_is_told(recipe: dict[str, Any]) -> None:
    with pytest.raises(RegistryError, match="is not JSON"):
        manifest(recipe=recipe).canonical()


@pytest.mark.parametrize(
    "change",
    [
        {"created": "yesterday"},
        {"created": "2026-11-23T12:00:00"},
        {"created": "2026-11-23T12:00:00+08:00"},
        {"metrics": {"loss": float("nan")}},
        {"data": {"rows": True}},
        {"seed": 1.0},
        {"parent": "abc"},
        {"files": {"../adapter_config.json": "a" * 64}},
        {"files": {"pytorch_model.bin": "a" * 64}},
        {"files": {"README.md": "short"}},
        {"extra": 1},
    ],
)
def test_ill_typed_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        manifest(**change)


def test_the_time_of_now_is_accepted() -> None:
    assert manifest(created=now()).created.endswith("+00:00")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "schema"),
        ({"odd": 1}, "odd"),
        ({"base": {}}, r"base\.id.*\n.*base\.revision"),
        ({"files": {"x": "a" * 64}}, "not one of"),
    ],
)
def test_an_unreadable_manifest_is_told(change: dict[str, Any], said: str) -> None:
    value = json.loads(manifest().canonical()) | change
    with pytest.raises(RegistryError, match=said):
        Manifest.from_bytes(json.dumps(value).encode(), HERE)


def test_a_manifest_is_strict_json() -> None:
    with pytest.raises(RegistryError, match="given twice"):
        Manifest.from_bytes(b'{"a":1,"a":1}', HERE)


def test_a_manifest_does_not_change() -> None:
    with pytest.raises(ValidationError):
        manifest().seed = 2  # type: ignore[misc]
