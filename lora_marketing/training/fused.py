"""One forward and backward for the micro-batches of several brands, each with its own LoRA.

The trees of all brands lie one after the other in one sequence. Every layer of the base runs once
over all of it, the LoRA updates are batched products with stacked A and B, and attention stays
inside each tree. No number of one brand meets one of another, so each brand's loss and gradients
are those it would have alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lora_marketing.engine.base import LoadedBase, sliding_window_of
from lora_marketing.engine.peft_api import LoraLayer, lora_layers, lora_weights, scaling_of
from lora_marketing.engine.transformers_api import register_attention
from lora_marketing.planning.packing import tree_refusal
from lora_marketing.recipe import Recipe, variant_named
from lora_marketing.training.attention import tree_attention
from lora_marketing.training.trainer import BrandTrainer

NAME = "prefix_forest"


@dataclass(frozen=True)
class MicroBatch:
    """What one trainer wants to have computed: a TreeCollator's inputs, and how many completion
    tokens its whole optimizer step has."""

    trainer: BrandTrainer
    inputs: Mapping[str, Any]
    count: Tensor | int | None

    def tokens(self) -> int:
        """Tokens of the tree."""
        return int(self.inputs["input_ids"].shape[1])


def fusing_refusal(recipe: Recipe, base: LoadedBase) -> str | None:
    """Why this recipe's micro-batches cannot be computed with those of other brands, or None."""
    if recipe.train.packing != "prefix_tree":
        return "train.packing is not prefix_tree"
    if recipe.lora.dropout:
        return "lora.dropout would draw from one stream of random numbers"
    if unfused := variant_named(recipe.lora.variant).unfused:
        return unfused
    if recipe.base.compute_dtype == "float16":
        return "float16 needs a loss scale of its own"
    if set(recipe.train.report_to) - {"tensorboard"}:
        return "its tracker follows one run at a time"
    if recipe.train.extra:
        return "train.extra may change the forward"
    return tree_refusal(base.model.config.to_dict(), recipe.train.method)


class FusedStep:
    """A base whose layers add every brand's own LoRA to that brand's tokens."""

    def __init__(self, base: LoadedBase, *, activation_checkpointing: bool) -> None:
        self._model = base.with_modules_of_its_own().model.train()
        self._model.requires_grad_(False)
        self._places = _Places()
        for name in base.linear_shapes:
            linear = self._model.get_submodule(name)
            assert isinstance(linear, nn.Linear)
            self._model.set_submodule(name, _FusedLinear(linear, name, self._places))
        register_attention(NAME, _forest_attention)
        self._model.set_attn_implementation(NAME)
        if activation_checkpointing:
            self._model.activation_checkpointing_enable({"use_reentrant": False})
        self._slides = sliding_window_of(self._model.config) is not None

    def __call__(self, batches: Sequence[MicroBatch]) -> list[Tensor]:
        """Add each brand's gradients to its LoRA weights and return each brand's loss."""
        lengths = [batch.tokens() for batch in batches]
        starts = [0, *accumulate(lengths)][:-1]
        kept = [batch.inputs["loss_sources"].unique() for batch in batches]
        self._places.arrange(lengths, [lora_layers(batch.trainer.model) for batch in batches])
        with batches[0].trainer.accelerator.autocast():  # as the model of a run by itself has it
            logits = self._model(
                input_ids=torch.cat([batch.inputs["input_ids"] for batch in batches], dim=1),
                position_ids=torch.cat([batch.inputs["position_ids"] for batch in batches], dim=1),
                attention_mask=self._no_mask(),
                forest=[batch.inputs for batch in batches],
                logits_to_keep=torch.cat([at + start for at, start in zip(kept, starts, strict=True)]),
                use_cache=False,
            ).logits[0]
            parts = logits.split([len(at) for at in kept])
            losses = [
                batch.trainer.tree_loss(part, batch.inputs, batch.count)
                for batch, part in zip(batches, parts, strict=True)
            ]
        torch.stack(losses).sum().backward()
        self._places.clear()
        return [loss.detach() for loss in losses]

    def _no_mask(self) -> Tensor | dict[str, Tensor]:
        """Four dimensions keep transformers from making a mask: every tree brings its own."""
        mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self._model.device)
        return {"full_attention": mask, "sliding_attention": mask} if self._slides else mask


@dataclass
class _Places:
    """Where each brand's tokens lie in the running forward, and its LoRA layers by name.

    `slots` (brands, longest) are token indices; a brand's gaps repeat its own first token, so that
    nothing of another brand, not even a NaN, reaches its gradients. `back` (tokens,) is each
    token's place in the flattened slots.
    """

    layers: Sequence[Mapping[str, LoraLayer]] = ()
    slots: Tensor | None = None
    back: Tensor | None = None
    _last: tuple[Tensor, Tensor] | None = field(default=None, repr=False)

    def arrange(self, lengths: Sequence[int], layers: Sequence[Mapping[str, LoraLayer]]) -> None:
        """Lay out one tree per brand, `lengths` tokens each."""
        device = lora_weights(next(iter(layers[0].values())))[0].device
        at = torch.arange(max(lengths), device=device)
        sizes = torch.tensor(lengths, device=device)[:, None]
        starts = sizes.cumsum(0) - sizes
        self.layers = layers
        self.slots = starts + torch.where(at < sizes, at, 0)
        self.back = (at < sizes).flatten().nonzero()[:, 0]

    def gather(self, x: Tensor) -> Tensor:
        """(1, tokens, in) to (brands, longest, in); q, k and v, which read the same x, share it."""
        if self._last is None or self._last[0] is not x:
            self._last = (x, x[0][self.slots])
        return self._last[1]

    def clear(self) -> None:
        """Hold nothing of a forward that is done."""
        self.layers, self.slots, self.back, self._last = (), None, None, None


class _FusedLinear(nn.Module):
    """A base layer plus `scaling * B A x` of each brand on that brand's tokens."""

    def __init__(self, linear: nn.Linear, name: str, places: _Places) -> None:
        super().__init__()
        self.linear, self.name, self.places = linear, name, places

    def forward(self, x: Tensor) -> Tensor:
        """(1, tokens, in) to (1, tokens, out)."""
        y: Tensor = self.linear(x)
        layers = [brand.get(self.name) for brand in self.places.layers]
        present = [layer for layer in layers if layer is not None]
        if not present:
            return y
        rank = max(len(lora_weights(layer)[0]) for layer in present)
        like = lora_weights(present[0])[0]
        nothing = like.new_zeros(rank, x.shape[-1]), like.new_zeros(y.shape[-1], rank)
        stacked = [nothing if layer is None else _weights(layer, rank) for layer in layers]
        a, b = (torch.stack(side) for side in zip(*stacked, strict=True))
        scaling = torch.tensor([scaling_of(layer) if layer else 0.0 for layer in layers])
        update = torch.bmm(torch.bmm(self.places.gather(x).to(a.dtype), a.mT), b.mT)
        update = update * scaling.to(update)[:, None, None]
        return (y + update.flatten(0, 1)[self.places.back]).to(y.dtype)


def _weights(layer: LoraLayer, rank: int) -> tuple[Tensor, Tensor]:
    """A (rank, in) and B (out, rank), padded with zeros, whose gradients are zero as well."""
    a, b = lora_weights(layer)
    missing = rank - len(a)
    return (pad(a, (0, 0, 0, missing)), pad(b, (0, missing))) if missing else (a, b)


def _forest_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    forest: Sequence[Mapping[str, Any]],
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """`tree_attention` inside each tree of a forest: shapes as there, trees one after the other."""
    lengths = [tree["input_ids"].shape[1] for tree in forest]
    split = zip(forest, *(x.split(lengths, dim=2) for x in (query, key, value)), strict=True)
    parts = []
    for tree, q, k, v in split:
        mask = tree["attention_mask"]
        if isinstance(mask, Mapping):
            mask = mask["full_attention" if sliding_window is None else "sliding_attention"]
        own = {name: tree[name] for name in ("trunk", "bins", "unbin")}
        part, _ = tree_attention(
            module, q, k, v, mask, scaling, dropout, sliding_window=sliding_window, **own, **others
        )
        parts.append(part)
    return torch.cat(parts, dim=1), None
