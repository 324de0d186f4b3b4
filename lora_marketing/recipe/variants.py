"""LoRA variants as data: what each sets in PEFT, and what it cannot be combined with."""

from __future__ import annotations

from dataclasses import dataclass

from lora_marketing.common.errors import Problem, nearest
from lora_marketing.recipe.schema import Recipe


@dataclass(frozen=True)
class LoraVariant:
    """One row: flags of PEFT's LoraConfig, and the reason where NF4 rules it out.

    Sources: LoRA arXiv:2106.09685, rsLoRA arXiv:2312.03732, DoRA arXiv:2402.09353,
    LoRA+ arXiv:2402.12354, LoftQ arXiv:2310.08659, PiSSA arXiv:2404.02948.
    """

    summary: str
    use_rslora: bool = False
    use_dora: bool = False
    loraplus: bool = False
    loftq: bool = False
    refused: str | None = None


VARIANTS = {
    "plain": LoraVariant("LoRA with scaling alpha / rank"),
    "rslora": LoraVariant("scaling alpha / sqrt(rank), for high ranks", use_rslora=True),
    "dora": LoraVariant("direction and magnitude trained apart; slower", use_dora=True),
    "loraplus": LoraVariant("B learns b_learning_rate_ratio times faster than A", loraplus=True),
    "loftq": LoraVariant("A and B start from what NF4 rounded away", loftq=True),
    "pissa": LoraVariant(
        "A and B start from the principal components of the weights",
        refused="PiSSA replaces the base's weights by their residual, but the NF4 base is shared by all"
        " brands and must not change; PEFT refuses it on quantized layers. Use loftq",
    ),
}


def variant_problems(recipe: Recipe, where: str | None) -> list[Problem]:
    """What speaks against the recipe's variant: unknown name, or a combination that cannot work."""
    name = recipe.lora.variant
    if name not in VARIANTS:
        return [Problem(f'unknown LoRA variant "{name}"', where, allowed=nearest(name, VARIANTS))]
    variant = VARIANTS[name]
    if variant.refused:
        return [Problem(f"LoRA variant {name} cannot be used", where, fix=variant.refused)]
    if variant.loftq and recipe.base.quantization == "none":
        return [
            Problem(
                "loftq needs a quantized base",
                where,
                got="base.quantization: none",
                fix="use plain: there is no rounding error to start from",
            )
        ]
    if variant.use_dora and recipe.lora.dropout:
        return [
            Problem(
                "dora with dropout computes the base output twice",
                where,
                got=f"lora.dropout: {recipe.lora.dropout}",
                fix="set lora.dropout to 0",
            )
        ]
    return []
