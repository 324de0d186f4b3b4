"""Rows of made-up tokens, a small shape and settings to plan for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lora_marketing.planning.micro_batch import PlannedRun
from lora_marketing.planning.rows import TokenizedRows
from lora_marketing.planning.shape import ModelShape
from lora_marketing.recipe import load_recipe
from lora_marketing.tokens.render import Rendered
from tests.making import write_world

SHAPE = ModelShape("llama", 30, 576, 1536, 9, 3, 64, 49152, tied=True)


def rows(count: int = 40, held_out: int = 4) -> TokenizedRows:
    """Rows that begin alike and end apart, each a little longer than the one before."""
    made = [
        Rendered(f"row-{n:03}", (*range(100), *range(1000 * n, 1000 * n + 20 + n)), 110)
        for n in range(1, count + held_out + 1)
    ]
    return TokenizedRows(made[:count], made[count:])


def setting(folder: Path, free_gib: float = 64, *overrides: str, **changes: Any) -> PlannedRun:
    recipe = load_recipe(write_world(folder), overrides).recipe
    return PlannedRun(
        changes.get("shape", SHAPE), recipe, changes.get("rows", rows()), "cpu", round(free_gib * 2**30)
    )
