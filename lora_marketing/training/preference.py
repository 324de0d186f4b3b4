"""Preference training: TRL's DPOTrainer on the kit's own tokens (DPO, arXiv:2305.18290, equation 7).

The reference is where training starts: a published adapter of the same brand and line, or the bare
base. Its log-probabilities of all pairs are computed once, before the first step, so that a step
costs no second forward and memory holds no second adapter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from typing import Any

import datasets
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load
from torch import Tensor, nn
from transformers import TrainerState
from trl import DPOConfig, DPOTrainer

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.engine.adapter_weights import require_same_base
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.trl_api import PAIR_COLUMNS, REFERENCE, logged
from lora_marketing.recipe import Recipe, variant_named
from lora_marketing.recipe.variants import GateFlags, variants_with
from lora_marketing.registry.adapter_check import AdapterSpec, read_adapter_file
from lora_marketing.registry.files import CONFIG
from lora_marketing.registry.version import Version
from lora_marketing.tokens.render import Rendered
from lora_marketing.tokens.rendered_pairs import RenderedPair, longest
from lora_marketing.training.trainer import CrashSafeTrainer, put_weights

START_LOSS = log(2)
"""DPO's loss of the reference itself, whatever the pairs: -log sigmoid(0)."""

FIGURES = {
    "reward_accuracy": "eval_rewards/accuracies",
    "reward_margin": "eval_rewards/margins",
    "chosen_reward": "eval_rewards/chosen",
}
"""Figures of held-out pairs by the names of TRL's log. A reward is `beta` times the difference of
log-probability (nats) to the reference, the margin is chosen minus rejected, and accuracy is the
share of pairs whose margin is above zero."""


class PreferenceTrainer(CrashSafeTrainer, DPOTrainer):  # type: ignore[misc]
    """One brand's training run on its preference pairs.

    Differs from DPOTrainer also in rows that the kit has rendered, and in every pair weighing the
    same, however many are in its micro-batch.
    """

    args: DPOConfig

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        if REFERENCE in self.model.peft_config:  # all that it was for is computed by now
            self.model.delete_adapter(REFERENCE)

    def _prepare_dataset(self, dataset: datasets.Dataset, *_: Any) -> datasets.Dataset:
        """The rows as they are: they are tokens already, under the render contract."""
        return dataset

    loss_is_scaled_for_ga = True  # by the count that get_batch_samples gives to every micro-batch

    def get_batch_samples(self, *arguments: Any, **keywords: Any) -> tuple[list[dict[str, Any]], int]:
        """The micro-batches of one optimizer step, and how many pairs they have in all."""
        samples, _ = super().get_batch_samples(*arguments, **keywords)
        return samples, sum(map(_pairs, samples))

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Mean loss per pair of the whole optimizer step, or of this batch if there is no count."""
        loss: Any = super().compute_loss(model, inputs, return_outputs)
        return loss if num_items_in_batch is None else loss * _pairs(inputs) / num_items_in_batch

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """One micro-batch forward and backward.

        Raises:
            TrainingError: the loss is NaN or infinite.
        """
        loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
        self._require_finite(loss, "data.pairs")
        return loss

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Loss of one batch, whose figures count once for every pair in it."""
        result = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        for values in logged(self, "eval").values():
            values.extend(values[-1:] * (_pairs(inputs) - 1))
        return result


def _pairs(inputs: dict[str, Any]) -> int:
    """A batch holds the chosen rows, and then the rejected ones."""
    return len(inputs["input_ids"]) // 2


def hf_pairs(rows: Sequence[Rendered]) -> datasets.Dataset:
    """Rendered pairs in the columns that TRL's collator reads."""
    pairs = [row for row in rows if isinstance(row, RenderedPair)]
    assert len(pairs) == len(rows)
    prompts = [pair.input_ids[: pair.prompt_length] for pair in pairs]
    chosen = [pair.input_ids[pair.prompt_length :] for pair in pairs]
    rejected = [pair.rejected.input_ids[pair.prompt_length :] for pair in pairs]
    return datasets.Dataset.from_dict(dict(zip(PAIR_COLUMNS, (prompts, chosen, rejected), strict=True)))


def dpo_arguments(recipe: Recipe) -> dict[str, Any]:
    """What DPOConfig has beside the arguments that all methods share."""
    return {"beta": recipe.train.beta, "precompute_ref_log_probs": True}


def adapter_arguments(
    config: LoraConfig, recipe: Recipe, base: LoadedBase, start: Version | None
) -> dict[str, Any]:
    """The model to train and, where nothing is published to start from, the adapter to begin.

    Raises:
        AdapterRefused: `start` was trained on another base, or the load gate refuses it.
        TrainingError: its LoRA is another than the recipe's.
    """
    if start is None:
        return {"model": base.model, "peft_config": config}
    return {"model": _started(config, recipe, base, start), "peft_config": None}


def _started(config: LoraConfig, recipe: Recipe, base: LoadedBase, start: Version) -> PeftModel:
    require_same_base(start, base)
    accepted = read_adapter_file(start.folder, base.linear_shapes, start.hashes)
    if problems := list(_differences(accepted.spec, config, recipe, start)):
        raise TrainingError(problems)
    model = get_peft_model(base.model, config)
    put_weights(model, load(bytes(accepted.raw)), start.folder)
    return model


def _differences(spec: AdapterSpec, config: LoraConfig, recipe: Recipe, start: Version) -> Iterator[Problem]:
    """What the start's LoRA is and the recipe's is not."""
    flags = GateFlags(spec.use_rslora, spec.use_dora)
    wanted = {
        "lora.rank": (spec.rank, config.r),
        "lora.alpha": (spec.alpha, config.lora_alpha),
        "lora.variant": (variants_with(flags), variants_with(variant_named(recipe.lora.variant).gate)),
        "lora.target_modules": (
            ", ".join(sorted({name.rpartition(".")[2] for name in spec.target_modules})),
            ", ".join(sorted({name.rpartition(".")[2] for name in config.target_modules})),
        ),
    }
    for key, (there, here) in wanted.items():
        if there != here:
            where = str(start.folder / CONFIG)
            fix = f"set {key} as it was when {recipe.train.start} was trained"
            yield Problem(f"train.start has another {key}", where, got=str(here), allowed=str(there), fix=fix)


def overlong_problems(rows: Sequence[Rendered], limit: int) -> list[Problem]:
    """Every pair of which a row is longer than `limit` tokens, with its line."""
    return [
        Problem(
            "the pair is longer than data.max_length",
            row.place or f"pair {row.id}",
            got=f"{longest(row)} tokens",
            allowed=f"at most {limit}",
            fix="raise data.max_length, shorten the texts, or set data.overlong: drop",
        )
        for row in rows
    ]


def reward_figures(state: TrainerState, step: int) -> dict[str, float]:
    """Accuracy and margin of the held-out pairs at the evaluation of `step`."""
    entries = [
        entry for entry in state.log_history if entry["step"] == step and "eval_rewards/margins" in entry
    ]
    return {name: float(entries[-1][logged]) for name, logged in FIGURES.items()}
