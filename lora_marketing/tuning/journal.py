"""Opens a study's journal, checks that it belongs to the same search, and reads its trials as rows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from lora_marketing.common.documents import shown
from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.data.dataset import Dataset, read_texts
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.registry.provenance import recorded_data, recorded_recipe
from lora_marketing.runs.run import package_versions
from lora_marketing.tuning.objectives import OBJECTIVES
from lora_marketing.tuning.space import Space, TrialSettings

JOURNAL = "journal.jsonl"
"""The file in a study folder to which Optuna appends each step."""

STARTUP = 5

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
NAME, IDENTITY = "tune", "identity"


@dataclass(frozen=True)
class StudyPlan:
    """What a study searches.

    Args:
        objective: name of the figure to optimise, a key of `OBJECTIVES`.
        space: the values to try.
        trials: number of finished trials to reach; a larger one continues a study.
        seed: random seed of the search.
        against: recipes of other brands, from which the voice score tells the brand's texts.
        startup: number of trials that are drawn at random before the sampler proposes settings, and before a
            trial may be pruned.
    """

    objective: str
    space: Space
    trials: int
    seed: int = 13
    against: Sequence[LoadedRecipe] = ()
    startup: int = STARTUP


@dataclass(frozen=True)
class TrialRow:
    """One finished trial; number 0 is the unchanged recipe.

    `figures` of a pruned trial hold only the held-out loss at which it was stopped. A failed trial has a
    `problem`. If the same settings were drawn before, `repeats` is the number of that trial, and the figures
    are copied from it.
    """

    number: int
    state: Literal["done", "pruned", "failed"]
    settings: TrialSettings
    figures: Mapping[str, float]
    seconds: float
    problem: str = ""
    repeats: int | None = None


def open_study(folder: Path, plan: StudyPlan, identity: Mapping[str, str], *, resume: bool) -> optuna.Study:
    """Open the study in `folder`, or create it; an interrupted trial is marked as failed and drawn again.

    Raises:
        TrainingError: the folder holds a study and `resume` is False, or its study has another identity.
    """
    journal = folder / JOURNAL
    if journal.exists() and not resume:
        fix = "go on with --resume, or name another folder with --out"
        raise TrainingError(Problem("a study is already there", shown(folder), fix=fix))
    folder.mkdir(parents=True, exist_ok=True)
    _drop_torn_line(journal)
    storage = JournalStorage(JournalFileBackend(str(journal)))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=plan.startup)
    if NAME in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=NAME, storage=storage, pruner=pruner)
    else:
        direction = OBJECTIVES[plan.objective].direction
        study = optuna.create_study(study_name=NAME, storage=storage, pruner=pruner, direction=direction)
    if IDENTITY in study.user_attrs:
        _require_same(study.user_attrs[IDENTITY], identity, folder)
    else:
        study.set_user_attr(IDENTITY, dict(identity))
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _drop_torn_line(journal: Path) -> None:
    """Remove a last line that a kill left incomplete: Optuna would append to it and break the journal."""
    if not journal.exists():
        return
    whole = journal.read_bytes().rfind(b"\n") + 1
    if whole < journal.stat().st_size:
        os.truncate(journal, whole)


def _require_same(kept: Mapping[str, str], wanted: Mapping[str, str], folder: Path) -> None:
    other = [name for name in wanted if kept.get(name) != wanted[name]]
    if other:
        raise TrainingError(
            Problem(
                "the study there is another one: its figures cannot be compared with these",
                shown(folder),
                got=f"another {', another '.join(other)}",
                fix="give what the study was begun with, or name another folder with --out",
            )
        )


def identity_of(loaded: LoadedRecipe, data: Dataset, plan: StudyPlan, fingerprint: str) -> dict[str, str]:
    """Hashes of everything that decides a trial's figures, by name; equal ones make trials comparable."""
    parts: dict[str, Any] = {
        "recipe": recorded_recipe(loaded),
        "data": recorded_data(loaded, data),
        "base": fingerprint,
        "space": plan.space.model_dump(mode="json", by_alias=True),
        "objective": plan.objective,
        "seed": [plan.seed, plan.startup],
        "brand in --against": sorted([other.name, _texts_of(other)] for other in plan.against),
        "version of a package": {**package_versions(), "optuna": package_version("optuna")},
    }
    return {
        name: sha256(json.dumps(part, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
        for name, part in parts.items()
    }


def _texts_of(loaded: LoadedRecipe) -> str:
    rows = "".join(row.model_dump_json() for _, row in read_texts(loaded))
    return sha256(rows.encode()).hexdigest()


def rows_of(study: optuna.Study) -> list[TrialRow]:
    """The finished trials of a study, in the order they were drawn."""
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    return [_row(number, trial) for number, trial in enumerate(trials)]


def _row(number: int, trial: FrozenTrial) -> TrialRow:
    attributes = trial.user_attrs
    problem = attributes.get("problem", "")
    done = trial.state == TrialState.COMPLETE
    return TrialRow(
        number,
        "done" if done else "failed" if problem else "pruned",
        attributes["settings"],
        attributes["figures"],
        attributes["seconds"],
        problem,
        attributes.get("repeats"),
    )
