"""Recipes: the only input of training. Strict, frozen, with the line of every key."""

from lora_marketing.recipe.load import KeySetting, LoadedRecipe, load_recipe
from lora_marketing.recipe.schema import Recipe
from lora_marketing.recipe.variants import LoraVariant, variant_named, variant_names

__all__ = [
    "KeySetting",
    "LoadedRecipe",
    "LoraVariant",
    "Recipe",
    "load_recipe",
    "variant_named",
    "variant_names",
]
