"""A smoke run: the whole recipe with a tiny random model of its base's architecture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from lora_marketing.bases.catalogue import CatalogueEntry, load_catalogue
from lora_marketing.brands.preference_pairs import PreferencePair
from lora_marketing.common.errors import BaseModelError, Problem, nearest
from lora_marketing.data.dataset import Dataset
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.tiny_base import make_tiny_base
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.registry.store import Registry
from lora_marketing.runs.run import BaseCache, train_and_publish
from lora_marketing.writing.session import WritingSession

ROWS = 16
TOKENS_PER_TOKEN = 8
"""The tiny tokenizer knows few words: its rows are up to this many times longer."""


def smoke_run(loaded: LoadedRecipe, data: Dataset) -> str:
    """Train, publish, resolve and write with a tiny base, in a temporary registry.

    Everything but the weights and the tokenizer's vocabulary is as in the real run:
    architecture, quantisation, chat template, LoRA variant, optimizer, checkpoints, load gate.
    Returns one line that says what was done.

    Raises:
        BaseModelError: the recipe's base is not in the catalogue, so its architecture is unknown.
        Whatever a real run would raise.
    """
    entry = load_catalogue().find(loaded.recipe.base.id)
    if entry is None:
        allowed = nearest(loaded.recipe.base.id, load_catalogue().entries)
        raise BaseModelError(
            Problem(f"no smoke run for base {loaded.recipe.base.id}", allowed=f"a catalogue base: {allowed}")
        )
    texts = [row.text for row in (*data.train, *data.validation)] + [loaded.brand.guide]
    with TemporaryDirectory(prefix="lora-marketing-smoke-") as temporary:
        folder = Path(temporary)
        base = make_tiny_base(entry.model_type, entry.template, texts, folder / "base")
        small = _shrunk(loaded, base, entry)
        rows = Dataset(data.train[:ROWS], data.validation[:2], data.duplicates_dropped)
        registry, holder, runs = Registry(folder / "adapters"), BaseCache(), folder / "runs"
        if loaded.recipe.train.start:
            first = _without_start(small)
            train_and_publish(first, _chosen(rows), holder, registry, runs, resume=False)
        version = train_and_publish(small, rows, holder, registry, runs, resume=False)
        session = WritingSession.open(registry.root, [str(version.name)], base_id=str(base))
        briefs = [rows.validation[0].brief()]
        copies = session.write(briefs, 1, Sampling(max_new_tokens=8), with_base=True, with_adapters=True)
        metrics = version.manifest.metrics
    return (
        f"{loaded.path}: smoke run ok, {entry.model_type} {loaded.recipe.lora.variant},"
        f" {metrics['steps']:.0f} steps, held-out loss {metrics['base_loss']:.3f} ->"
        f" {metrics['held_out_loss']:.3f}, published, {len(copies)} texts written"
    )


def _without_start(small: LoadedRecipe) -> LoadedRecipe:
    """What makes an adapter to start from: the same recipe on the chosen texts."""
    train = small.recipe.train.model_copy(update={"method": "sft", "start": None})
    return replace(small, recipe=small.recipe.model_copy(update={"train": train}))


def _chosen(pairs: Dataset) -> Dataset:
    train, validation = (
        [row.as_chosen() for row in rows if isinstance(row, PreferencePair)]
        for rows in (pairs.train, pairs.validation)
    )
    return Dataset(train, validation, pairs.duplicates_dropped)


def _shrunk(loaded: LoadedRecipe, base: Path, entry: CatalogueEntry) -> LoadedRecipe:
    """The recipe with the tiny base and a few short steps."""
    recipe = loaded.recipe
    batch = min(4, recipe.train.batch_size)
    on_cpu = {"optimizer": "adamw_torch"} if "8bit" in recipe.train.optimizer else {}
    changes = {
        "base": recipe.base.model_copy(
            update={
                "id": str(base),
                "revision": None,
                "template_arguments": {**entry.template_arguments, **recipe.base.template_arguments},
                "system_turn": recipe.base.system_turn or entry.system_turn,
            }
        ),
        "data": recipe.data.model_copy(update={"max_length": recipe.data.max_length * TOKENS_PER_TOKEN}),
        "train": recipe.train.model_copy(
            update={
                "epochs": 1.0,
                "batch_size": batch,
                "micro_batch_size": min(2, batch),
                "start": loaded.name if recipe.train.start else None,
                **on_cpu,
            }
        ),
        "eval": recipe.eval.model_copy(update={"briefs": 1, "max_new_tokens": 8}),
    }
    return replace(loaded, recipe=recipe.model_copy(update=changes))
