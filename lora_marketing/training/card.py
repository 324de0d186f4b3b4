"""Files for people beside an adapter: its loss curve and its model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lora_marketing.brands.brand import Brand
from lora_marketing.recipe import LoadedRecipe, Recipe
from lora_marketing.training.progress import LogPoint

LOSSES = {
    "sft": "loss per completion token (nats)",
    "dpo": "DPO loss per pair (the reference's is ln 2)",
}
"""What a loss is, by `train.method`."""


def draw_loss_curve(path: Path, points: Sequence[LogPoint], title: str, method: str = "sft") -> None:
    """Draw training and held-out loss against optimizer steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    trained = [(p.step, p.loss) for p in points if p.loss is not None]
    held_out = [(p.step, p.eval_loss) for p in points if p.eval_loss is not None]
    axes.plot(*zip(*trained, strict=True), color="#b8bfc6", label="training") if trained else None
    if held_out:
        axes.plot(*zip(*held_out, strict=True), color="#c2410c", marker="o", ms=4, label="held out")
        step, loss = min(held_out, key=lambda pair: pair[1])
        axes.annotate(f"best {loss:.3f}", (step, loss), (0, -14), textcoords="offset points", ha="center")
    axes.set(title=title, xlabel="optimizer step", ylabel=LOSSES[method])
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.12)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


def model_card(loaded: LoadedRecipe, base_id: str, metrics: Mapping[str, float]) -> str:
    """The README.md of a version: what it is, how it did, how to use it."""
    recipe, brand = loaded.recipe, loaded.brand
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in sorted(metrics.items()))
    return f"""---
base_model: {base_id}
library_name: peft
language: [{brand.language}]
tags: [lora, marketing]
---
# {loaded.name}

LoRA adapter ({recipe.lora.variant}, rank {recipe.lora.rank}) that writes in the voice of
{brand.display_name}: {_first_sentence(brand)}

| figure | value |
|---|---|
{rows}

Write with it: `lora-marketing generate --adapter {loaded.name}`. The whole recipe, the hashes of
the data and the base's fingerprint are in manifest.json. Losses are {_loss(recipe)}.
"""


def _loss(recipe: Recipe) -> str:
    if recipe.train.method == "sft":
        return "in nats per completion token"
    reference = recipe.train.start or "the bare base"
    return (
        f"DPO's per preference pair; the reference, {reference}, has ln 2. A reward is"
        f" {recipe.train.beta:g} times the difference to its log-probability in nats"
    )


def _first_sentence(brand: Brand) -> str:
    for mark in (". ", "。"):
        head, separator, _ = brand.guide.partition(mark)
        if separator:
            return head + mark.strip()
    return brand.guide
