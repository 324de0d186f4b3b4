"""Which rows may judge an adapter: those that were held out from it, and surely none it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lora_marketing.brand import Example
from lora_marketing.data import Dataset, prepare
from lora_marketing.errors import DataError, Problem
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.registry.version import Version


@dataclass(frozen=True)
class HeldOut:
    """The rows to judge by, the texts that the adapter knows, and what is to be said about them.

    `proven` says that the judged adapter was surely trained on none of `rows`.
    """

    rows: Sequence[Example]
    known: Sequence[Example]
    proven: bool
    remarks: Sequence[str]


def held_out(loaded: LoadedRecipe, judged: Version, others: Sequence[Version]) -> HeldOut:
    """The recipe's validation rows, as far as nobody was trained on them.

    A manifest keeps only hashes of its rows, so which they were is found out by splitting the
    recipe's texts as the manifest's own recipe says.

    Raises:
        DataError: the judged adapter was trained on some of them, or others on all.
    """
    data = prepare(loaded)
    own = _trained(loaded, data, judged)
    if overlap := _overlap(data.validation, own or ()):
        got = f"{len(overlap)} of {len(data.validation)}, for example {overlap[0].id}"
        fix = "give the recipe that the adapter was trained with"
        raise DataError(Problem(f"{judged} was trained on rows that would test it", got=got, fix=fix))
    remarks = []
    if judged.manifest.data.get("validation_sha256") != data.hashes()["validation_sha256"]:
        remarks.append(f"these rows are not those that were held out from {judged}")
    if own is None:
        remarks.append(f"whether {judged} was trained on them cannot be told: its texts are others")
    rows = list(data.validation)
    for version in others:
        trained = _trained(loaded, data, version)
        if trained is None:
            remarks.append(f"whether {version} was trained on these rows cannot be told")
        elif known := {row.id for row in _overlap(rows, trained)}:
            remarks.append(f"{len(known)} rows are left out: {version} was trained on them")
            rows = [row for row in rows if row.id not in known]
    if not rows:
        raise DataError(Problem("no row is left that tests all of them", got="; ".join(remarks)))
    return HeldOut(rows, data.train if own is None else own, own is not None, remarks)


def _trained(loaded: LoadedRecipe, data: Dataset, version: Version) -> Sequence[Example] | None:
    """The rows that a version was trained on, if they are among the recipe's."""
    wanted = version.manifest.data.get("train_sha256")
    if wanted == Dataset(data.validation, (), 0).hashes()["train_sha256"]:
        return data.validation
    splits = (data, _split_as(loaded, version))
    return next((split.train for split in splits if split and split.hashes()["train_sha256"] == wanted), None)


def _split_as(loaded: LoadedRecipe, version: Version) -> Dataset | None:
    """The recipe's texts split as a version's own recipe did."""
    recipe: dict[str, Any] = version.manifest.recipe
    fraction = recipe.get("data", {}).get("validation_fraction")
    if fraction is None or loaded.validation_file:
        return None
    settings = loaded.recipe
    changed = settings.model_copy(
        update={
            "data": settings.data.model_copy(update={"validation_fraction": fraction}),
            "train": settings.train.model_copy(update={"seed": version.manifest.seed}),
        }
    )
    return prepare(replace(loaded, recipe=changed))


def _overlap(rows: Sequence[Example], trained: Sequence[Example]) -> list[Example]:
    """Rows whose brief and text are also among those trained on."""
    known = set(map(_content, trained))
    return [row for row in rows if _content(row) in known]


def _content(row: Example) -> tuple[str, str]:
    return row.brief().model_dump_json(), row.text
