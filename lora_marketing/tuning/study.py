"""Runs a study: proposes settings, trains and measures them on one loaded base, trial by trial."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import optuna
import torch
from optuna import TrialPruned
from optuna.samplers import TPESampler
from optuna.trial import Trial, TrialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lora_marketing.common.console import note
from lora_marketing.common.errors import TrainingError
from lora_marketing.data.dataset import Dataset
from lora_marketing.evaluation import fit_voices
from lora_marketing.metrics.voice import VoiceClassifier
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.runs.owner import owning
from lora_marketing.runs.run import BaseCache, validation_copies
from lora_marketing.training.build import TrainOptions
from lora_marketing.training.rendering import RenderedData, render_dataset
from lora_marketing.training.train import train
from lora_marketing.tuning.journal import StudyPlan, TrialRow, identity_of, open_study, rows_of
from lora_marketing.tuning.objectives import OBJECTIVES, Evidence, measure
from lora_marketing.tuning.space import TrialSettings, own_values, settings_of, value_at, with_settings

if TYPE_CHECKING:
    from lora_marketing.engine.base import LoadedBase


@dataclass(frozen=True)
class Bench:
    """What all trials of a study share: recipe, data, rendered rows, loaded base and voice classifier."""

    loaded: LoadedRecipe
    data: Dataset
    rendered: RenderedData
    base: LoadedBase
    voices: VoiceClassifier | None

    def figures(
        self, settings: TrialSettings, run: Path, callbacks: Sequence[TrainerCallback]
    ) -> dict[str, float]:
        """Train with these settings in the folder `run`, which is then deleted, and measure the adapter.

        Raises:
            TrialPruned: a callback stops the trial.
            TrainingError: these settings cannot be trained.
        """
        candidate = with_settings(self.loaded, settings)
        try:
            options = TrainOptions(callbacks)
            trained = train(candidate, self.rendered, self.base, run, resume=False, options=options)
            copies = validation_copies(candidate, self.data, self.base, trained.folder)
        finally:
            shutil.rmtree(run, ignore_errors=True)
        references = [row.text for row in self.data.validation[: len(copies)]]
        return measure(Evidence(trained.metrics, copies, references, self.voices))


@dataclass
class PruningCallback(TrainerCallback):
    """Reports the held-out loss of each evaluation to Optuna, and stops a trial that is behind the median.

    The pruner uses the study's direction, so the loss is multiplied by `sign`, the objective's sign.
    """

    trial: Trial
    sign: int
    loss: float = float("nan")
    _evaluations: int = 0

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **event: Any,
    ) -> None:
        """Report the loss.

        Raises:
            TrialPruned: the trial is behind the median of earlier trials.
        """
        if state.global_step == 0:  # the base alone, before training
            return
        self._evaluations += 1
        self.loss = float(event["metrics"]["eval_loss"])
        self.trial.report(self.sign * self.loss, self._evaluations)
        if self.trial.should_prune():
            raise TrialPruned


def run_study(
    loaded: LoadedRecipe,
    data: Dataset,
    plan: StudyPlan,
    holder: BaseCache,
    folder: Path,
    *,
    resume: bool,
    after_trial: Callable[[Sequence[TrialRow]], object] = lambda rows: None,
) -> list[TrialRow]:
    """Run trials until `plan.trials` are finished; the first is the unchanged recipe.

    The settings of a trial depend only on the seed and on the trials finished before it, so a study that was
    killed and resumed draws the same trials. After each trial, `after_trial` is called with all rows so far.
    A trial other than the first that fails is recorded as failed.

    Raises:
        TrainingError: the folder holds another study, another process works on it, or the recipe itself
            cannot be trained.
        DataError: the brands have too few texts for a voice classifier, or rows are too long.
    """
    base = holder.get(loaded.recipe.base)
    rendered = render_dataset(data, loaded, base)
    voices = fit_voices([loaded, *plan.against], plan.seed) if plan.against else None
    identity = identity_of(loaded, data, plan, base.pin.fingerprint)
    with owning(folder):
        study = open_study(folder, plan, identity, resume=resume)
        bench = Bench(loaded, data, rendered, base, voices)
        rows = rows_of(study)
        while len(rows) < plan.trials:
            _run_trial(study, _next_trial(study, plan, rows, loaded), plan, bench, folder, rows)
            rows = rows_of(study)
            after_trial(rows)
        return rows


def _next_trial(
    study: optuna.Study, plan: StudyPlan, rows: Sequence[TrialRow], loaded: LoadedRecipe
) -> Trial:
    """Draw the next trial: first the recipe itself, then what the sampler proposes."""
    seed = Random(f"{plan.seed}|{len(rows)}").getrandbits(32)  # one sampler would start over on resume
    study.sampler = TPESampler(seed=seed, n_startup_trials=plan.startup)
    if not rows:
        own = own_values(loaded.recipe)
        study.enqueue_trial({key: own[key] for key in plan.space.keys}, skip_if_exists=True)
    trial = study.ask(plan.space.distributions())
    settings = settings_of(trial.params, loaded.recipe)
    if not rows:
        settings = {key: value_at(loaded.recipe, key) for key in settings}  # not rounded
    trial.set_user_attr("settings", settings)
    return trial


def _run_trial(
    study: optuna.Study, trial: Trial, plan: StudyPlan, bench: Bench, folder: Path, rows: Sequence[TrialRow]
) -> None:
    """Train and measure one trial, and record its result in the journal."""
    settings, number = trial.user_attrs["settings"], len(rows)
    values = ", ".join(f"{key.partition('.')[2]} {value}" for key, value in settings.items())
    label = "trial 0 (the recipe)" if number == 0 else f"trial {number}"
    note(f"{label}, {plan.trials - number - 1} more to come: {values}")
    earlier = next((row for row in rows if row.settings == settings and row.state == "done"), None)
    if earlier:
        note(f"  as trial {earlier.number}")
        _finish(study, trial, plan, dict(earlier.figures), 0.0, repeats=earlier.number)
        return
    pruning = PruningCallback(trial, OBJECTIVES[plan.objective].sign)
    started = time.monotonic()
    try:
        figures = bench.figures(settings, folder / f"trial-{number:03}", [pruning])
    except TrialPruned:
        seconds = time.monotonic() - started
        _finish(study, trial, plan, {"held_out_loss": pruning.loss}, seconds, TrialState.PRUNED)
    except (TrainingError, torch.OutOfMemoryError) as error:
        if number == 0:
            raise
        seconds = time.monotonic() - started
        _finish(study, trial, plan, {}, seconds, TrialState.PRUNED, problem=str(error).splitlines()[0])
    else:
        _finish(study, trial, plan, figures, time.monotonic() - started)


def _finish(
    study: optuna.Study,
    trial: Trial,
    plan: StudyPlan,
    figures: dict[str, float],
    seconds: float,
    state: TrialState | None = None,
    **attributes: Any,
) -> None:
    """Record a trial's end; failed trials as pruned ones, so that the sampler avoids their settings."""
    for name, value in {"figures": figures, "seconds": round(seconds, 1), **attributes}.items():
        trial.set_user_attr(name, value)
    study.tell(trial, None if state else figures[plan.objective], state)
