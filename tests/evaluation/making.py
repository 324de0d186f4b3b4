"""Copies to evaluate: real texts with known faults, so that figures can be told in advance."""

from __future__ import annotations

from typing import Any

from lora_marketing.brands.brand import Brief, Example
from lora_marketing.copy.record import Copy
from lora_marketing.data.dataset import read_examples
from lora_marketing.evaluation.document import ScoredText
from lora_marketing.recipe import LoadedRecipe, load_recipe
from tests.making import BRANDS

BRIEF = Brief(product="Bar", channel="meta_feed", field="headline")
RECIPES = ("ember-espresso", "lumen-serum", "shanyu-camp")


def copy(text: str, brand: str, **changes: Any) -> Copy:
    values: dict[str, Any] = {"line": "x", "adapter": None, "digest": None, "base": "tiny", "seed": 13}
    values |= {"variant": 0, "prompt_sha256": "", "stopped": True, "tokens": 4, "brief": BRIEF}
    return Copy(text=text, brand=brand, **(values | changes))


def scored_text(writer: str, text: str, brief: Brief, **changes: Any) -> ScoredText:
    """A text of brand Tidal that passed, ended by itself and sounds like it."""
    values: dict[str, Any] = {"brand": "tidal", "variant": 0, "seed": 13, "references": [], "stopped": True}
    values |= {"verdict": "pass", "findings": [], "sounds_like": "tidal", "copied": 0, "counts": {}}
    return ScoredText(writer=writer, text=text, brief=brief, **(values | changes))


def recipes() -> list[LoadedRecipe]:
    return [load_recipe(BRANDS / f"{name}.yaml") for name in RECIPES]


def examples(loaded: LoadedRecipe) -> list[Example]:
    return [row for _, row in read_examples(loaded.train_file)]


def many_copies(count: int, variants: int = 2) -> list[Copy]:
    """So many texts of three brands: adapters say their brand's texts, the base says the next brand's."""
    found: list[Copy] = []
    loaded = recipes()
    texts = [examples(one) for one in loaded]
    for number in range(count // (2 * variants)):
        place = number % len(loaded)
        brand, row = loaded[place].brand.name, texts[place][number]
        others = texts[(place + 1) % len(texts)]
        for variant in range(variants):
            common: dict[str, Any] = {"brief": row.brief(), "variant": variant}
            own = texts[place][number + variant].text
            found.append(copy(own, brand, adapter=loaded[place].name, digest="ab" * 32, **common))
            found.append(copy(others[number + variant].text, brand, **common))
    return found
