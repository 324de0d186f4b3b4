"""The only input of training: strict, frozen YAML.

The file and line of every key are known.
"""

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
