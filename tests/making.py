"""A small brand, its texts and a recipe to test with."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from lora_marketing.recipe import variants

ROOT = Path(__file__).parents[1]
BRANDS = ROOT / "recipes" / "brands"
property_test = settings(
    deadline=None,  # machines that build and test at once are slow now and then
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
RECIPE = """\
schema: 1
base:
  id: smollm2-135m
brand:
  profile: brand.yaml
  line: soap
data:
  train: texts.jsonl
"""
BRAND = """\
schema: 1
name: tidal
display_name: Tidal
locale: en-GB
lines:
  soap: Bars and flakes.
  candle: Wax in tins.
guide: Write short sentences.
facts: [Every bar weighs 90 g., Bars cost £6.]
banned_terms: [miracle, perfect skin]
competitors: [Fjordsuds]
"""


def row(number: int, **changes: Any) -> dict[str, Any]:
    values = {
        "id": f"soap-{number:03}",
        "line": "soap",
        "product": f"Bar {number}",
        "channel": "meta_feed",
        "field": "headline",
        "text": f"Bar {number}. It floats.",
    }
    return {key: value for key, value in (values | changes).items() if value is not ...}


def rows(count: int = 12) -> list[dict[str, Any]]:
    return [row(number) for number in range(1, count + 1)]


def write_rows(path: Path, found: Iterable[Mapping[str, Any] | str]) -> Path:
    """JSON lines; a row given as text is written as it is."""
    lines = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in found]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def write_world(folder: Path, recipe: str = RECIPE) -> Path:
    """A folder with a brand, twelve texts and a recipe; returns the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "brand.yaml").write_text(BRAND, encoding="utf-8")
    write_rows(folder / "texts.jsonl", rows())
    path = folder / "recipe.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


def with_variants(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str], package: str = "more_variants"
) -> None:
    """Put a copy of the folder of LoRA variants, with `files` (name to source) added, in its place."""
    copy = copytree(ROOT / "lora_marketing" / "recipe" / "variants", folder / package)
    (copy / "__init__.py").write_text("", encoding="utf-8")
    for name, source in files.items():
        (copy / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    for loaded in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, loaded)
    for known in (variants._names, variants._load):
        known.cache_clear()
    monkeypatch.setattr(variants, "PACKAGE", package)


def tree(root: Path) -> dict[str, bytes]:
    """Every file and folder below `root` with its content."""
    return {
        str(path.relative_to(root)): b"" if path.is_dir() else path.read_bytes() for path in root.rglob("*")
    }


def moved(part: str, api: Path) -> str:
    """What a test of an `*_api.py` file says when the library it stands for has changed."""
    library = api.stem.removesuffix("_api")
    return f"{library} moved or renamed {part}; put the new name into {api.relative_to(ROOT)}"


def loaded_without(api: Path, module: object, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What importing an `*_api.py` file says when a library's `module` has no `name` any more."""
    monkeypatch.delattr(module, name)
    with pytest.raises(ImportError) as raised:
        runpy.run_path(str(api))
    return str(raised.value)
