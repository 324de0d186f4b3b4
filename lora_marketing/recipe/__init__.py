"""Recipes: the only input of training. Strict, frozen, with the line of every key."""

from lora_marketing.recipe.load import LoadedRecipe, Setting, load_recipe
from lora_marketing.recipe.schema import Recipe
from lora_marketing.recipe.variants import VARIANTS, Variant

__all__ = ["VARIANTS", "LoadedRecipe", "Recipe", "Setting", "Variant", "load_recipe"]
