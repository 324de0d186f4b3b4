"""PiSSA, refused: it needs a base of its own."""

from lora_marketing.recipe.variants import LoraVariant

VARIANT = LoraVariant(
    summary="A and B start from the principal components of the weights",
    source="arXiv:2404.02948",
    refused="PiSSA replaces the base's weights by their residual, but the NF4 base is shared by all"
    " brands and must not change; PEFT refuses it on quantized layers. Use loftq",
)
