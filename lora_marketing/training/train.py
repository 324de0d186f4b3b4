"""Train one adapter: rows rendered and proven, TRL's trainer run, best checkpoint kept."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import torch
from peft import LoraConfig, PeftModel
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    TrainerCallback,
    TrainerState,
    set_seed,
)
from trl import DPOConfig, SFTConfig

from lora_marketing.brands.brand import Brand, Example
from lora_marketing.common.console import note
from lora_marketing.common.errors import DataError, Problem, TrainingError
from lora_marketing.common.files import write_atomic
from lora_marketing.data.dataset import Dataset
from lora_marketing.engine.base import LoadedBase, sliding_window_of
from lora_marketing.engine.transformers_api import state_where_training_ended
from lora_marketing.engine.trl_api import checkpointing
from lora_marketing.planning.packing import packed
from lora_marketing.recipe import LoadedRecipe, Recipe, variant_named
from lora_marketing.recipe.variants import PLAIN, changes_nothing
from lora_marketing.registry.version import Version
from lora_marketing.tokens.pairs import longest, render_row
from lora_marketing.tokens.render import Rendered
from lora_marketing.training.budget import BudgetCallback
from lora_marketing.training.checkpoints import CheckpointVault
from lora_marketing.training.collate import TreeCollator
from lora_marketing.training.peak import TrimHeapCallback, begin_peak, peak_memory_gib
from lora_marketing.training.plan_run import memory_errors_told, settle
from lora_marketing.training.preference import (
    START_LOSS,
    PreferenceTrainer,
    adapter_arguments,
    dpo_arguments,
    hf_pairs,
    overlong_problems,
    reward_figures,
)
from lora_marketing.training.progress import LogPoint, ProgressCallback, ProgressTable
from lora_marketing.training.trackers import LOGS, PROJECT, opened_trackers
from lora_marketing.training.trainer import BrandTrainer, Lane, load_weights


@dataclass(frozen=True)
class TrainedAdapter:
    """A finished run: PEFT's two files in `folder`, its figures, and the loss curve's points."""

    folder: Path
    metrics: dict[str, float]
    points: Sequence[LogPoint]


@dataclass(frozen=True)
class RenderedData:
    """Token ids of both splits, and how many rows were dropped as too long."""

    train: Sequence[Rendered]
    validation: Sequence[Rendered]
    overlong_dropped: int


def render_dataset(dataset: Dataset, loaded: LoadedRecipe, base: LoadedBase) -> RenderedData:
    """Render every row, which proves the render contract before the first step.

    Raises:
        RenderContractError: the base's chat template breaks it.
        DataError: rows longer than `data.max_length`, unless `data.overlong` is `drop`.
    """
    train = _rendered(dataset.train, loaded.brand, base)
    validation = _rendered(dataset.validation, loaded.brand, base)
    limit = loaded.recipe.data.max_length
    overlong = [row for row in (*train, *validation) if longest(row) > limit]
    if overlong and loaded.recipe.data.overlong == "error":
        if loaded.recipe.train.method == "dpo":
            raise DataError(overlong_problems(overlong, limit))
        worst = max(overlong, key=lambda row: len(row.input_ids))
        raise DataError(
            Problem(
                f"{len(overlong)} rows are longer than data.max_length",
                worst.place or None,
                got=f"row {worst.id} has {len(worst.input_ids)} tokens",
                allowed=f"at most {limit}",
                fix="raise data.max_length, shorten the rows, or set data.overlong: drop",
            )
        )
    kept, kept_validation = ([row for row in rows if longest(row) <= limit] for rows in (train, validation))
    if not (kept and kept_validation):
        raise DataError(Problem("every row is longer than data.max_length", allowed=f"at most {limit}"))
    return RenderedData(kept, kept_validation, len(overlong))


def _rendered(rows: Sequence[Example], brand: Brand, base: LoadedBase) -> list[Rendered]:
    return [render_row(row, brand, base) for row in rows]


def train(
    loaded: LoadedRecipe,
    data: RenderedData,
    base: LoadedBase,
    run: Path,
    *,
    resume: bool,
    callbacks: Sequence[TrainerCallback] = (),
    lane: Lane | None = None,
    board: ProgressTable | None = None,
    start: Version | None = None,
) -> TrainedAdapter:
    """Train the recipe's adapter in the folder `run` and leave the base as it was found.

    With `resume`, training goes on from the newest valid checkpoint and ends with the same
    weights as an uninterrupted run (bit for bit on the CPU). `callbacks` watch the run as Trainer's
    own do; a `lane` computes its micro-batches together with those of other runs, which share a
    `board`. Preference training begins at `start`, the version that `train.start` means.

    Raises:
        TrainingError: the run does not fit in memory or ran out of it, NaN loss, a tracker that is
            not installed, the best checkpoint was lost, or `start` does not fit the recipe.
        AdapterRefused: `start` was trained on another base, or the load gate refuses it.
    """
    if loaded.recipe.train.start and start is None:
        got, fix = loaded.recipe.train.start, "use lora-marketing train, or take train.start out"
        raise TrainingError(Problem("train.start is not followed here", got=got, fix=fix))
    base = base.with_modules_of_its_own()
    settled = settle(loaded.recipe, data.train, data.validation, base)
    vault = CheckpointVault(run / "checkpoints")
    if not resume:
        vault.clear()
    checkpoint = vault.newest_valid() if resume else None
    begin_peak()
    progress = ProgressCallback(loaded.name, board or ProgressTable())
    trackers = opened_trackers(loaded.recipe.train.report_to, run.parent / LOGS / run.name)
    with memory_errors_told(loaded.name), closing(progress), trackers as opened:
        trainer = _build_trainer(settled.recipe, data, base, vault, run, progress, lane, start)
        for callback in (*callbacks, *opened):
            trainer.add_callback(callback)
        base_loss = _base_loss(trainer, run)
        set_seed(loaded.recipe.train.seed)
        _run(trainer, checkpoint)
        best, best_loss = trainer.state.best_global_step, trainer.state.best_metric
        if best is None or best_loss is None:
            raise TrainingError(_no_best(trainer.state))
        load_weights(trainer.model, vault.require(best))
        folder = _save_adapter(trainer.model, base, run / "adapter")
        metrics = {
            "base_loss": base_loss,
            "held_out_loss": float(best_loss),
            "train_loss": _mean_train_loss(trainer.state),
            "steps": float(trainer.state.global_step),
            "best_step": float(best),
            "tokens_per_second": round(progress.tokens_per_second, 1),
            "micro_batch_size": float(settled.choice.micro_batch_size),
            "predicted_memory_gib": round(settled.predicted_gib, 2),
            "peak_memory_gib": round(peak_memory_gib(), 2),
            "overlong_dropped": float(data.overlong_dropped),
        }
        if isinstance(trainer, PreferenceTrainer):
            metrics |= reward_figures(trainer.state, best)
        return TrainedAdapter(folder, metrics, _curve(trainer, base_loss))


def _build_trainer(
    recipe: Recipe,
    data: RenderedData,
    base: LoadedBase,
    vault: CheckpointVault,
    run: Path,
    progress: ProgressCallback,
    lane: Lane | None = None,
    start: Version | None = None,
) -> BrandTrainer | PreferenceTrainer:
    method = recipe.train.method
    follows, refusal = packed(recipe, base.model.config.to_dict())
    if refusal:
        note(f"Training on padded batches: {refusal}")
    padded, preference = follows.train.packing == "padded", method == "dpo"
    as_columns = hf_pairs if preference else _hf_dataset
    shared: dict[str, Any] = {
        "vault": vault,
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
        **adapter_arguments(lora_config(recipe, base), recipe, base, start),
    }
    trainer = PreferenceTrainer(**shared) if preference else BrandTrainer(lane=lane, **shared)
    trainer.remove_callback(PrinterCallback)
    prepare = variant_named(recipe.lora.variant).prepare
    if prepare and start is None:
        prepare(trainer.model, base.folder)
    return trainer


def trl_config(recipe: Recipe, rows: int, run: Path) -> SFTConfig | DPOConfig:
    """TRL's arguments for a settled recipe with `rows` training rows or pairs.

    A recipe that is not settled has its whole batch computed at once.
    """
    preference = recipe.train.method == "dpo"
    config_class, own = (DPOConfig, dpo_arguments(recipe)) if preference else (SFTConfig, {})
    settings = recipe.train
    micro = min(settings.micro_batch_size or settings.batch_size, settings.batch_size)
    per_epoch = math.ceil(rows / settings.batch_size)
    every = max(1, per_epoch // recipe.eval.per_epoch)
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


def _base_loss(trainer: BrandTrainer | PreferenceTrainer, run: Path) -> float:
    """Held-out loss of the untouched base, taken once per run; of the reference where there is one."""
    if isinstance(trainer, PreferenceTrainer):
        return START_LOSS
    memo = run / "base_loss.json"
    if memo.is_file():
        return float(json.loads(memo.read_text()))
    with trainer.model.disable_adapter():  # loftq does not start from zero
        loss = float(trainer.evaluate()["eval_loss"])
    memo.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(memo, json.dumps(loss))
    return loss


def _run(trainer: BrandTrainer | PreferenceTrainer, start: Path | None) -> None:
    """Train from `start`, or not at all if the run had come to its end there."""
    if start is not None and (ended := state_where_training_ended(start)) is not None:
        trainer.state = ended
        return
    trainer.train(resume_from_checkpoint=str(start) if start else None)


def _no_best(state: TrainerState) -> Problem:
    """Why no checkpoint is the best one: no evaluation, or none that is a number."""
    found = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry and entry["step"]]
    if not found:
        return Problem("training ended without an evaluation", fix="raise train.epochs")
    return Problem(f"the held-out loss became {found[-1]}", fix="lower train.learning_rate")


def _mean_train_loss(state: TrainerState) -> float:
    """Mean over all steps, also those before a resume."""
    losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
    return sum(losses) / len(losses)


def _curve(trainer: BrandTrainer | PreferenceTrainer, base_loss: float) -> list[LogPoint]:
    """The whole loss curve, also of steps before a resume."""
    points = [LogPoint(0, None, base_loss)]
    for entry in trainer.state.log_history:
        if entry["step"] > 0 and ("loss" in entry or "eval_loss" in entry):
            points.append(LogPoint(int(entry["step"]), entry.get("loss"), entry.get("eval_loss")))
    return points


def _save_adapter(model: PeftModel, base: LoadedBase, folder: Path) -> Path:
    """Write PEFT's two files, free of paths of this machine and of ways to change the base."""
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()
    config_path = folder / "adapter_config.json"
    config: dict[str, Any] = json.loads(config_path.read_text())
    config["base_model_name_or_path"] = base.pin.id
    config["revision"] = base.pin.revision
    config["inference_mode"] = True
    config["init_lora_weights"] = True
    config["loftq_config"] = {}
    config["target_modules"] = sorted(config["target_modules"])
    config_path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    return folder
