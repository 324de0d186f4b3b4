"""DoRA: LoRA changes the direction of a weight, and one trained number per output its length."""

from lora_marketing.recipe.variants import Conflict, LoraVariant, MemoryCost

VARIANT = LoraVariant(
    summary="direction and magnitude trained apart; slower",
    source="arXiv:2402.09353",
    peft={"use_dora": True},
    conflicts=(
        Conflict(
            "lora.dropout",
            clashes=bool,
            what="dora with dropout computes the base output twice",
            fix="set lora.dropout to 0",
        ),
    ),
    unfused="DoRA scales whole weights, not low-rank updates",
    memory=MemoryCost(trained=1, kept=2),
)
