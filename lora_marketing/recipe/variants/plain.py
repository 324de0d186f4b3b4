"""Plain LoRA: what every other variant is held against."""

from lora_marketing.recipe.variants import LoraVariant

VARIANT = LoraVariant(
    summary="LoRA with scaling alpha / rank",
    source="arXiv:2106.09685",
    peft={"use_rslora": False, "use_dora": False},
    unfused=None,
)
