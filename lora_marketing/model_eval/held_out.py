"""Which rows may judge an adapter: those that were held out from it, and surely none it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lora_marketing.brands.brand import Example
from lora_marketing.common.errors import DataError, Problem
from lora_marketing.data.dataset import Dataset, prepare
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.registry.version import Version, known_texts
from lora_marketing.text.known_texts import KnownTexts


@dataclass(frozen=True)
class HeldOut:
    """The rows to judge by, those that the adapter knows, and what is to be said about them.

    `taught` are hashes of all texts that the adapter or its start was trained on; `proven` says that
    `rows` are surely none of them.
    """

    rows: Sequence[Example]
    known: Sequence[Example]
    taught: KnownTexts
    proven: bool
    remarks: Sequence[str]


def held_out(loaded: LoadedRecipe, judged: Version, others: Sequence[Version]) -> HeldOut:
    """The rows that were held out from `judged`, less those that a version or its start was trained on.

    A manifest keeps only hashes of its rows, so which they were is found out by splitting the
    recipe's texts as the manifest's own recipe says. If they are others, the recipe's own split holds.

    Raises:
        DataError: the judged adapter was trained on briefs that would test it, or no row is left.
        AdapterRefused: the known texts of a version are not those that were published.
    """
    data = _split_of(loaded, judged)
    own = _taught(loaded, data, judged)
    if overlap := _overlap(data.validation, own.rows or ()):
        got = f"{len(overlap)} of {len(data.validation)}, for example {overlap[0].id}"
        fix = "give the recipe that the adapter was trained with"
        raise DataError(Problem(f"{judged} was trained on rows that would test it", got=got, fix=fix))
    remarks = []
    if judged.manifest.data.get("validation_sha256") != data.hashes()["validation_sha256"]:
        remarks.append(f"these rows are not those that were held out from {judged}")
    rows = list(data.validation)
    for version, taught in ((judged, own), *((other, _taught(loaded, data, other)) for other in others)):
        if not taught.proven:
            remarks.append(f"whether {version} or its start was trained on these rows cannot be told")
        left = taught.unseen(rows)
        if len(left) < len(rows):
            remarks.append(f"{len(rows) - len(left)} rows are left out: {version} or its start knows them")
        rows = left
    if not rows:
        raise DataError(Problem("no row is left that tests all of them", got="; ".join(remarks)))
    return HeldOut(rows, data.train if own.rows is None else own.rows, own.texts, own.proven, remarks)


@dataclass(frozen=True)
class _Taught:
    """What a version was trained on: its rows, if they are among the recipe's, and the texts of the
    version and its start. `proven` says that nothing is missing."""

    rows: Sequence[Example] | None
    texts: KnownTexts
    proven: bool

    def unseen(self, rows: Sequence[Example]) -> list[Example]:
        """Those of `rows` of which neither the brief nor the text is known."""
        known = {row.id for row in _overlap(rows, self.rows or ())}
        return [row for row in rows if row.id not in known and not self.texts.overlap(row.text).whole]


def _taught(loaded: LoadedRecipe, data: Dataset, version: Version) -> _Taught:
    rows, published = _trained(loaded, data, version), known_texts(version)
    complete = published is not None or version.manifest.parent is None
    texts = KnownTexts.of(row.text for row in rows or ()) if published is None else published
    return _Taught(rows, texts, complete and rows is not None)


def _split_of(loaded: LoadedRecipe, judged: Version) -> Dataset:
    """The recipe's texts split as the judged version's own recipe did, if they are still the same."""
    split, wanted = _split_as(loaded, judged), judged.manifest.data.get("validation_sha256")
    return split if split and split.hashes()["validation_sha256"] == wanted else prepare(loaded)


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
    """Rows whose brief is also among those trained on."""
    known = {row.key for row in trained}
    return [row for row in rows if row.key in known]
