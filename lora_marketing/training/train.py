"""Train one adapter: its micro-batch planned, TRL's trainer run, the best checkpoint kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import TrainerState, set_seed

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.common.files import write_atomic
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.transformers_api import state_where_training_ended
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.training.build import ALONE, TrainOptions, build_trainer, vault_of
from lora_marketing.training.peak_memory import begin_peak, peak_memory_gib
from lora_marketing.training.plan_run import plan_run, reporting_memory_errors
from lora_marketing.training.preference import START_LOSS, PreferenceTrainer, reward_figures
from lora_marketing.training.progress import LogPoint, ProgressCallback, ProgressTable
from lora_marketing.training.rendering import RenderedData
from lora_marketing.training.trackers import LOGS, opened_trackers
from lora_marketing.training.trainer import BrandTrainer, load_weights


@dataclass(frozen=True)
class TrainedAdapter:
    """A finished run: PEFT's two files in `folder`, its figures, and the loss curve's points."""

    folder: Path
    metrics: dict[str, float]
    points: Sequence[LogPoint]


def train(
    loaded: LoadedRecipe,
    data: RenderedData,
    base: LoadedBase,
    run: Path,
    *,
    resume: bool,
    options: TrainOptions = ALONE,
) -> TrainedAdapter:
    """Train the recipe's adapter in the folder `run` and leave the base as it was found.

    With `resume`, training goes on from the newest valid checkpoint and ends with the same
    weights as an uninterrupted run (bit for bit on the CPU).

    Raises:
        TrainingError: the run does not fit in memory or ran out of it, NaN loss, a tracker that is not
            installed, the best checkpoint was lost, or `options.start` does not fit the recipe.
        AdapterRefused: `options.start` was trained on another base, or the load gate refuses it.
    """
    if loaded.recipe.train.start and options.start is None:
        got, fix = loaded.recipe.train.start, "use lora-marketing train, or take train.start out"
        raise TrainingError(Problem("train.start is not followed here", got=got, fix=fix))
    base = base.with_modules_of_its_own()
    plan = plan_run(loaded.recipe, data.train, data.validation, base)
    vault = vault_of(run)
    if not resume:
        vault.clear()
    checkpoint = vault.newest_valid() if resume else None
    begin_peak()
    progress = ProgressCallback(loaded.name, options.table or ProgressTable())
    trackers = opened_trackers(loaded.recipe.train.report_to, run.parent / LOGS / run.name)
    extras = reporting_extra_errors(loaded.recipe.train.extra)
    with reporting_memory_errors(loaded.name), extras, closing(progress), trackers as opened:
        watched = replace(options, callbacks=(*options.callbacks, *opened))
        trainer = build_trainer(plan.recipe, data, base, run, progress, watched)
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
            "micro_batch_size": float(plan.choice.micro_batch_size),
            "predicted_memory_gib": round(plan.predicted_gib, 2),
            "peak_memory_gib": round(peak_memory_gib(), 2),
            "overlong_dropped": float(data.overlong_dropped),
        }
        if isinstance(trainer, PreferenceTrainer):
            metrics |= reward_figures(trainer.state, best)
        return TrainedAdapter(folder, metrics, _curve(trainer, base_loss))


@contextmanager
def reporting_extra_errors(extra: Mapping[str, object]) -> Iterator[None]:
    """Turn what libraries say of values in `train.extra` into an error of the run alone.

    Raises:
        TrainingError: a run with `train.extra` ended as values that do not fit end it.
    """
    try:
        yield
    except (TypeError, ValueError, LookupError, AssertionError, NotImplementedError) as error:
        if not extra:
            raise
        got = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        fix = f"correct or remove what is in train.extra: {', '.join(sorted(extra))}"
        raise TrainingError(Problem("training fails with these settings", got=got, fix=fix)) from error


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
    losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry and entry["step"]]
    if not losses:
        return Problem("training ended without an evaluation", fix="raise train.epochs")
    return Problem(f"the held-out loss became {losses[-1]}", fix="lower train.learning_rate")


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
    """Write PEFT's two files in the base's compute dtype, free of paths of this machine and of ways to
    change the base."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.to(base.compute_dtype)
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
