"""Many recipes in one call: one loaded base, one forward for small brands, one summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lora_marketing.common.console import note, plain_text, rich_stderr
from lora_marketing.common.errors import LoraMarketingError, TrainingError
from lora_marketing.copy.record import Copy, share_stopped
from lora_marketing.data.dataset import Dataset
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version
from lora_marketing.runs.owner import owning
from lora_marketing.runs.run import (
    BaseCache,
    OpenRun,
    open_run,
    publish_run,
    train_run,
    validation_copies_of_all,
)

if TYPE_CHECKING:
    from lora_marketing.training.plan_run import RunPlan
    from lora_marketing.training.progress import ProgressTable
    from lora_marketing.training.train import TrainedAdapter
    from lora_marketing.training.trainer import CooperativeRun


@dataclass(frozen=True)
class Job:
    """One recipe and its data."""

    loaded: LoadedRecipe
    data: Dataset


PUBLISHED_TOGETHER = 8
"""Adapters that write their validation briefs in one batch."""
FleetOutcome = Version | LoraMarketingError


@dataclass(frozen=True)
class Fleet:
    """Trains and publishes many jobs.

    Jobs with the same base share it and take turns on it. With `together` above 1, at most so many
    are computed at a time: a micro-batch of each goes through one forward and backward (see
    `training.fused`), except for those that cannot be fused. That is off by default: on the CPU it
    gains nothing, on a GPU it was not measured. A job that fails does not stop the others; of equal
    jobs one is trained, and a run that another process works on is left to it.
    """

    registry: Registry
    runs: Path
    holder: BaseCache
    together: int = 1
    resume: bool = False

    def train(self, jobs: Sequence[Job]) -> list[FleetOutcome]:
        """Train and publish every job; the outcomes stand in the order of `jobs`.

        Raises:
            Whatever is not a LoraMarketingError, as a fault of the kit; published adapters and checkpoints
                stay. What the disk refuses is an error of the run alone.
        """
        outcomes: dict[int, FleetOutcome] = {}
        for group in _by_base(jobs):
            with ExitStack() as owned:
                opened, failed = self._open({place: jobs[place] for place in group}, owned)
                outcomes |= failed
                first = {run.folder: place for place, run in reversed(opened.items())}
                waiting = iter([(place, run) for place, run in opened.items() if first[run.folder] == place])
                while runs := dict(islice(waiting, PUBLISHED_TOGETHER)):
                    ended: dict[int, TrainedAdapter | LoraMarketingError] = {}
                    for batch in self._batches(runs):
                        ended |= zip(batch, self._train(list(batch.values())), strict=True)
                    outcomes |= self._publish(runs, ended)
                outcomes |= {place: outcomes[first[run.folder]] for place, run in opened.items()}
        return [outcomes[place] for place in range(len(jobs))]

    def _open(
        self, jobs: Mapping[int, Job], owned: ExitStack
    ) -> tuple[dict[int, OpenRun], dict[int, FleetOutcome]]:
        """Open the runs of `jobs` and own their folders; equal recipes have the same folder."""
        opened: dict[int, OpenRun] = {}
        failed: dict[int, FleetOutcome] = {}
        for place, job in jobs.items():
            try:
                run = open_run(job.loaded, job.data, self.holder, self.registry, self.runs)
                same = next((other.loaded for other in opened.values() if other.folder == run.folder), None)
                if same:
                    note(f"{job.loaded.path} is the same run as {same.path}: trained once")
                else:
                    with run.disk_errors_told():
                        owned.enter_context(owning(run.folder))
                opened[place] = run
            except LoraMarketingError as error:
                failed[place] = _failed(job.loaded, error)
        return opened, failed

    def _batches(self, opened: Mapping[int, OpenRun]) -> Iterator[dict[int, OpenRun]]:
        """Runs that are computed together: no more than memory holds."""
        from lora_marketing.planning.concurrent_runs import groups_that_fit
        from lora_marketing.planning.micro_batch import limit
        from lora_marketing.training.plan_run import plan_run

        if self.together == 1:  # each run is planned when it begins
            yield from ({place: run} for place, run in opened.items())
            return
        plans: dict[int, RunPlan] = {}
        for place, run in opened.items():
            try:
                rows = run.rendered
                plans[place] = plan_run(run.loaded.recipe, rows.train, rows.validation, run.base)
            except TrainingError:  # it does not fit even alone, and says so when it begins
                yield {place: run}
        free = min((limit(plan.setting) for plan in plans.values()), default=0)
        needs = [plan.choice.bound for plan in plans.values()]
        places = list(plans)
        for group in groups_that_fit(needs, free, self.together):
            yield {places[member]: opened[places[member]] for member in group}

    def _train(self, runs: Sequence[OpenRun]) -> list[TrainedAdapter | LoraMarketingError]:
        """Train runs on one base, fused where that is possible."""
        from lora_marketing.training.cooperative_runs import run_together
        from lora_marketing.training.fused import FusedStep, fusing_refusal
        from lora_marketing.training.progress import ProgressTable

        table = ProgressTable()
        refusals = {run.folder: fusing_refusal(run.loaded.recipe, run.base) for run in runs}
        fused = [run for run in runs if refusals[run.folder] is None]
        ended: dict[Path, TrainedAdapter | LoraMarketingError] = {}
        if len(fused) > 1:
            note(f"Training {', '.join(run.loaded.name for run in fused)} together")
            checkpoints = any(run.loaded.recipe.train.activation_checkpointing for run in fused)
            step = FusedStep(fused[0].base, activation_checkpointing=checkpoints)
            works = [partial(self._cooperatively, run, table) for run in fused]
            ended |= zip((run.folder for run in fused), run_together(works, step), strict=True)
        for run in runs:
            if run.folder not in ended:
                if len(runs) > 1 and refusals[run.folder]:
                    note(f"Training {run.loaded.name} by itself: {refusals[run.folder]}")
                ended[run.folder] = self._alone(run, table)
        return [ended[run.folder] for run in runs]

    def _cooperatively(
        self, run: OpenRun, table: ProgressTable, cooperative: CooperativeRun
    ) -> TrainedAdapter:
        return train_run(run, resume=self.resume, cooperative=cooperative, table=table)

    def _alone(self, run: OpenRun, table: ProgressTable) -> TrainedAdapter | LoraMarketingError:
        try:
            return train_run(run, resume=self.resume, table=table)
        except LoraMarketingError as error:
            return error

    def _publish(
        self, runs: dict[int, OpenRun], ended: dict[int, TrainedAdapter | LoraMarketingError]
    ) -> dict[int, FleetOutcome]:
        """Measure the stop rates of what was trained in one batch, and publish each."""
        outcomes: dict[int, FleetOutcome] = {}
        trained: dict[int, TrainedAdapter] = {}
        for place, end in ended.items():
            if isinstance(end, LoraMarketingError):
                outcomes[place] = _failed(runs[place].loaded, end)
            else:
                trained[place] = end
        written = _validation_copies({place: (runs[place], adapter) for place, adapter in trained.items()})
        for place, copies in written.items():
            try:
                if isinstance(copies, LoraMarketingError):
                    raise copies
                rate = share_stopped(copies)
                outcomes[place] = publish_run(runs[place], trained[place], rate, self.registry)
            except LoraMarketingError as error:
                outcomes[place] = _failed(runs[place].loaded, error)
        return outcomes


def _validation_copies(
    trained: Mapping[int, tuple[OpenRun, TrainedAdapter]],
) -> dict[int, list[Copy] | LoraMarketingError]:
    """What each trained adapter writes, in one batch; by itself where one of them cannot be read."""
    if not trained:
        return {}
    first = next(iter(trained.values()))[0]
    try:
        with first.disk_errors_told():
            jobs = [(run.loaded, run.data, adapter.folder) for run, adapter in trained.values()]
            return dict(zip(trained, validation_copies_of_all(first.base, jobs), strict=True))
    except LoraMarketingError as error:
        if len(trained) == 1:
            return dict.fromkeys(trained, error)
    alone = [_validation_copies({place: one}) for place, one in trained.items()]
    return {place: copies for found in alone for place, copies in found.items()}


def _by_base(jobs: Sequence[Job]) -> Iterator[list[int]]:
    """Places of jobs with the same base section, in the order of the first of each."""
    sections = [job.loaded.recipe.base for job in jobs]
    for place, section in enumerate(sections):
        if section not in sections[:place]:
            yield [other for other, wanted in enumerate(sections) if wanted == section]


def _failed(loaded: LoadedRecipe, error: LoraMarketingError) -> LoraMarketingError:
    note(f"{loaded.name}: failed")
    return error


def show_summary(jobs: Sequence[Job], outcomes: Sequence[FleetOutcome]) -> None:
    """A table of what became of every job, on stderr."""
    from rich.table import Table

    table = Table("adapter", "held-out loss", "stop rate", "steps", "version", box=None, pad_edge=False)
    for job, outcome in zip(jobs, outcomes, strict=True):
        if isinstance(outcome, LoraMarketingError):
            failed = plain_text(f"failed: {outcome.problems[0].what}", one_line=True)
            table.add_row(job.loaded.name, "", "", "", failed)
            continue
        metrics = outcome.manifest.metrics
        stops = f"{metrics['stop_rate']:.0%}" if "stop_rate" in metrics else ""
        loss = f"{metrics['base_loss']:.3f} -> {metrics['held_out_loss']:.3f}"
        table.add_row(job.loaded.name, loss, stops, f"{metrics['steps']:.0f}", outcome.digest[:16])
    rich_stderr().print(table)
