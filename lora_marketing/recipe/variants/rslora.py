"""rsLoRA: the scaling keeps the size of an update the same at every rank."""

from lora_marketing.recipe.variants import LoraVariant

VARIANT = LoraVariant(
    summary="scaling alpha / sqrt(rank), for high ranks",
    source="arXiv:2312.03732",
    peft={"use_rslora": True},
    unfused=None,
)
