"""Recipes: the only input of training. Strict, frozen, with the line of every key."""

from lora_marketing.recipe.load import KeySetting, LoadedRecipe, load_recipe
from lora_marketing.recipe.schema import Recipe
from lora_marketing.recipe.variants import VARIANTS, LoraVariant

__all__ = ["VARIANTS", "KeySetting", "LoadedRecipe", "LoraVariant", "Recipe", "load_recipe"]
