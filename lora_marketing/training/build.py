"""From a recipe to its trainer: TRL's arguments, PEFT's configuration, the collator, the variant's start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import torch
from bitsandbytes.nn import Linear4bit
from peft import LoraConfig, PeftModel
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback
from trl import DPOConfig, SFTConfig

from lora_marketing.common.console import note
from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.engine.adapter_weights import dense_weight
from lora_marketing.engine.base import LoadedBase, sliding_window_of
from lora_marketing.engine.peft_api import adapted_linear, lora_layers, lora_weights, scaling_of
from lora_marketing.engine.trl_api import checkpointing
from lora_marketing.planning.packing import packed
from lora_marketing.recipe import Recipe, variant_named
from lora_marketing.recipe.variants import PLAIN, NewLayer, changes_nothing
from lora_marketing.registry.version import Version
from lora_marketing.tokens.render import Rendered
from lora_marketing.training.checkpoints import CheckpointVault
from lora_marketing.training.collate import TreeCollator
from lora_marketing.training.peak_memory import TrimHeapCallback
from lora_marketing.training.preference import (
    PreferenceTrainer,
    adapter_arguments,
    dpo_arguments,
    hf_pairs,
)
from lora_marketing.training.progress import ProgressCallback, ProgressTable
from lora_marketing.training.rendering import RenderedData
from lora_marketing.training.time_budget import BudgetCallback
from lora_marketing.training.trackers import PROJECT
from lora_marketing.training.trainer import BrandTrainer, CooperativeRun


@dataclass(frozen=True)
class TrainOptions:
    """How a run is carried out, beside its recipe and its rows.

    Args:
        callbacks: watch the run as Trainer's own do.
        cooperative: computes micro-batches together with those of other runs; None: the run computes its own.
        table: a progress table that it shares with other runs; None: one of its own.
        start: the version that `train.start` means, at which preference training begins.
    """

    callbacks: Sequence[TrainerCallback] = ()
    cooperative: CooperativeRun | None = None
    table: ProgressTable | None = None
    start: Version | None = None


ALONE = TrainOptions()
"""A run by itself, which begins at the bare base."""


OPTIMIZER_KEYS = frozenset({"adam_beta1", "adam_beta2", "adam_epsilon", "optim_args"})
"""Fields of `train.extra` that some optimizers do not read."""


def vault_of(run: Path) -> CheckpointVault:
    """The checkpoints of the run in the folder `run`."""
    return CheckpointVault(run / "checkpoints")


def build_trainer(
    recipe: Recipe,
    data: RenderedData,
    base: LoadedBase,
    run: Path,
    progress: ProgressCallback,
    options: TrainOptions = ALONE,
) -> BrandTrainer | PreferenceTrainer:
    """The trainer of a recipe's method for a base with modules of its own, whose LoRA has begun.

    Args:
        recipe: with its micro-batch size filled in, or its whole batch is computed at once.
        data: the rows as tokens.
        base: gets the adapter on its modules.
        run: the folder for checkpoints.
        progress: shows the run.
        options: see TrainOptions.

    Raises:
        TrainingError: TRL or PEFT refuses the settings, the optimizer does not read some of them, or
            `options.start` does not fit the recipe.
        AdapterRefused: `options.start` was trained on another base, or the load gate refuses it.
    """
    follows, refusal = packed(recipe, base.model.config.to_dict())
    if refusal:
        note(f"Training on padded batches: {refusal}")
    padded, preference = follows.train.packing == "padded", recipe.train.method == "dpo"
    as_columns = hf_pairs if preference else _hf_dataset
    shared: dict[str, Any] = {
        "vault": vault_of(run),
        "recipe": recipe,
        "args": trl_config(recipe, len(data.train), run),
        "train_dataset": as_columns(data.train),
        "eval_dataset": as_columns(data.validation),
        "processing_class": base.tokenizer,
        "data_collator": None if padded else TreeCollator(sliding_window_of(base.model.config)),
        "callbacks": [
            progress,
            EarlyStoppingCallback(recipe.eval.patience),
            BudgetCallback(recipe.budget.minutes),
            TrimHeapCallback(),
        ],
        **adapter_arguments(lora_config(recipe, base), recipe, base, options.start),
    }
    _require_read(shared["args"], recipe)
    trainer = (
        PreferenceTrainer(**shared) if preference else BrandTrainer(cooperative=options.cooperative, **shared)
    )
    trainer.remove_callback(PrinterCallback)
    for callback in options.callbacks:
        trainer.add_callback(callback)
    prepare = variant_named(recipe.lora.variant).prepare
    if prepare and options.start is None:
        prepare(_new_layers(trainer.model), base.folder)
    return trainer


def _require_read(args: SFTConfig | DPOConfig, recipe: Recipe) -> None:
    """Refuse settings of the optimizer that this one does not read."""
    kind, keywords = Trainer.get_optimizer_cls_and_kwargs(args)
    problems = []
    for name in OPTIMIZER_KEYS & recipe.train.extra.keys():
        without = copy(args)
        default = next(field.default for field in fields(args) if field.name == name)
        setattr(without, name, default)
        unread = Trainer.get_optimizer_cls_and_kwargs(without) == (kind, keywords)
        if unread and recipe.train.extra[name] != default:
            what, got = f"train.extra.{name} would do nothing", f"train.optimizer: {recipe.train.optimizer}"
            problems.append(Problem(what, got=got, fix="remove the key, or take another optimizer"))
    if problems:
        raise TrainingError(problems)


def _new_layers(model: PeftModel) -> list[NewLayer]:
    """The adapter's layers as a variant's preparation takes them."""
    return [
        NewLayer(
            name,
            *lora_weights(layer),
            scaling_of(layer),
            isinstance(adapted_linear(layer), Linear4bit),
            partial(dense_weight, adapted_linear(layer)),
        )
        for name, layer in lora_layers(model).items()
    ]


def trl_config(recipe: Recipe, rows: int, run: Path) -> SFTConfig | DPOConfig:
    """TRL's arguments for a recipe with `rows` training rows or pairs.

    Without `train.micro_batch_size` the whole batch is computed at once.
    """
    preference = recipe.train.method == "dpo"
    config_class, own = (DPOConfig, dpo_arguments(recipe)) if preference else (SFTConfig, {})
    settings = recipe.train
    micro = min(settings.micro_batch_size or settings.batch_size, settings.batch_size)
    per_epoch = math.ceil(rows / settings.batch_size)
    every = max(1, min(per_epoch // recipe.eval.per_epoch, _steps(recipe, rows)))  # one evaluation at least
    on_gpu = torch.cuda.is_available()
    try:
        return config_class(
            output_dir=str(run),
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=micro,
            per_device_eval_batch_size=micro,
            gradient_accumulation_steps=settings.batch_size // micro,
            learning_rate=settings.learning_rate,
            lr_scheduler_type=settings.scheduler,
            warmup_steps=round(settings.warmup_fraction * math.ceil(per_epoch * settings.epochs)),
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            optim=settings.optimizer,
            seed=settings.seed,
            bf16=recipe.base.compute_dtype == "bfloat16",
            fp16=recipe.base.compute_dtype == "float16",
            use_cpu=not on_gpu,
            dataloader_pin_memory=on_gpu,
            max_length=None,
            remove_unused_columns=False,
            eval_strategy="steps",
            eval_steps=every,
            save_strategy="steps",
            save_steps=every,
            metric_for_best_model="eval_loss",
            greater_is_better=False,
            restore_callback_states_from_checkpoint=True,  # early stopping goes on counting
            logging_steps=1,
            logging_nan_inf_filter=False,
            disable_tqdm=True,
            report_to="none",  # `opened_trackers` are callbacks of their own
            run_name=run.name,
            project=PROJECT,
            **checkpointing(settings.activation_checkpointing),
            **own,
            **settings.extra,
        )
    except (TypeError, ValueError) as error:
        got = str(error)
        raise TrainingError(Problem("TRL refuses these settings", got=got, fix="see train.extra")) from error


def _steps(recipe: Recipe, rows: int) -> int:
    """Optimizer steps of a whole run, as Trainer counts them."""
    settings = recipe.train
    micro = min(settings.micro_batch_size or settings.batch_size, settings.batch_size)
    batches = rows // micro if settings.extra.get("dataloader_drop_last") else math.ceil(rows / micro)
    return math.ceil(max(1, math.ceil(batches / (settings.batch_size // micro))) * settings.epochs)


def lora_config(recipe: Recipe, base: LoadedBase) -> LoraConfig:
    """PEFT's configuration for a recipe on a base.

    Raises:
        TrainingError: PEFT does not know an argument of the variant, or the variant changes nothing.
    """
    name = recipe.lora.variant
    variant, plain = variant_named(name), variant_named(PLAIN)
    own = {
        "task_type": "CAUSAL_LM",
        "r": recipe.lora.rank,
        "lora_alpha": recipe.lora.alpha,
        "lora_dropout": recipe.lora.dropout,
        "target_modules": target_modules(recipe, base),
    }
    try:
        config = LoraConfig(**own, **{**plain.peft, **variant.peft})
    except (TypeError, ValueError) as error:
        what = f"PEFT refuses the arguments of LoRA variant {name}"
        raise TrainingError(Problem(what, got=str(error), fix="see its file in recipe/variants")) from error
    if name != PLAIN and not variant.trains_otherwise and config == LoraConfig(**own, **plain.peft):
        raise TrainingError(changes_nothing(name, None))
    return config


def target_modules(recipe: Recipe, base: LoadedBase) -> list[str]:
    """Names of the layers to adapt: short names (`q_proj`), or full ones where short ones would
    also match layers outside the text decoder.

    Raises:
        TrainingError: the recipe names a layer that the base does not have.
    """
    short = {name.rpartition(".")[2] for name in base.linear_shapes}
    wanted = short if recipe.lora.target_modules == "all-linear" else set(recipe.lora.target_modules)
    missing = wanted - short
    if missing:
        problem = "lora.target_modules names layers that the base does not have"
        raise TrainingError(
            Problem(problem, got=", ".join(sorted(missing)), allowed=", ".join(sorted(short)))
        )
    outside = {
        name.rpartition(".")[2]
        for name, module in base.model.named_modules()
        if isinstance(module, torch.nn.Linear) and name not in base.linear_shapes
    }
    if wanted & outside:
        return sorted(name for name in base.linear_shapes if name.rpartition(".")[2] in wanted)
    return sorted(wanted)


def _hf_dataset(rows: Sequence[Rendered]) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    )
