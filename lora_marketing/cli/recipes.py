"""`check` and `explain`: everything about recipes that needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.common.console import note, result
from lora_marketing.common.errors import LoraMarketingError, Problem, RecipeError, nearest

if TYPE_CHECKING:
    from lora_marketing.data.dataset import Dataset
    from lora_marketing.recipe import LoadedRecipe

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a key, as in --set train.epochs=2."),
]


def check(
    recipes: Annotated[list[Path] | None, typer.Argument(metavar="RECIPE...", help="Recipe files.")] = None,
    overrides: Overrides = None,
    json_schema: Annotated[
        bool, typer.Option("--json-schema", help="Print the JSON Schema for editors.")
    ] = False,
) -> None:
    """Check recipes and their data, all problems at once. Loads no model.

    Where the base is on this machine, every row is rendered by its chat template, and its control tokens
    are looked for.
    """
    from lora_marketing.data.dataset import prepare
    from lora_marketing.guards.claims import unruled
    from lora_marketing.recipe import Recipe, load_recipe

    if json_schema:
        result(json.dumps(Recipe.model_json_schema(by_alias=True), indent=2))
        return
    if not recipes:
        raise RecipeError(Problem("no recipe given", fix="lora-marketing check recipes/brands/*.yaml"))
    problems: list[Problem] = []
    for path in recipes:
        try:
            loaded = load_recipe(path, overrides or [])
            data = prepare(loaded)
            problems.extend(_base_problems(loaded, data))
        except LoraMarketingError as error:
            problems.extend(error.problems)
            continue
        if lawless := unruled(loaded.brand):
            where = ", ".join(lawless)
            note(f"warning: {path}: no claims rules for {where}: every text of {loaded.name} goes to review")
        dropped = f", {data.duplicates_dropped} duplicates dropped" if data.duplicates_dropped else ""
        rows = "pairs" if loaded.recipe.train.method == "dpo" else "rows"
        result(f"{path}: {loaded.name}, {len(data.train)} + {len(data.validation)} {rows}{dropped}")
    if problems:
        raise RecipeError(dict.fromkeys(problems))


def _base_problems(loaded: LoadedRecipe, data: Dataset) -> list[Problem]:
    """What the base's tokenizer and chat template have against rows and profile, if the base is here."""
    from lora_marketing.bases.locate import folder_here, prompt_settings
    from lora_marketing.tokens.chat_template import control_tokens_in, open_template
    from lora_marketing.tokens.render import control_token_problems, template_problems

    folder = folder_here(loaded.recipe.base)
    if folder is None:
        return []
    tokens, rows = control_tokens_in(folder), [*data.train, *data.validation]
    template = open_template(folder, prompt_settings(loaded.recipe.base))
    problems = [found for row in rows for found in control_token_problems(row, loaded.brand, tokens)]
    return problems or (template_problems(rows, loaded.brand, template) if template else [])


def explain(
    recipe: Annotated[Path, typer.Argument(help="Recipe file.")],
    key: Annotated[str, typer.Argument(help="A key, such as train.learning_rate.")],
    overrides: Overrides = None,
) -> None:
    """Say which value a key has, and which file and line set it."""
    from lora_marketing.common.documents import dotted
    from lora_marketing.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    values = _flat(loaded.recipe.model_dump(by_alias=True))
    if key not in values:
        raise RecipeError(Problem(f"unknown key {key}", allowed=nearest(key, values)))
    history = next((list(h) for path, h in loaded.history.items() if dotted(path) == key), [])
    result(f"{key} = {json.dumps(values[key], ensure_ascii=False, default=str)}")
    if not history:
        result("  the default")
    for age, setting in enumerate(reversed(history)):
        verb = "set" if age == 0 else "overrides"
        result(f"  {verb} {json.dumps(setting.value, ensure_ascii=False)} at {setting.place}")


def _flat(values: dict[str, object], head: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        here = f"{head}{name}"
        flat[here] = value
        if isinstance(value, dict):
            flat |= _flat(value, here + ".")
    return flat
