"""One run from recipe to published version: train, measure the stop rate, publish."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version as package_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_marketing import __version__
from lora_marketing.bases.fingerprint import weights_hash
from lora_marketing.channels.structure import taught_texts
from lora_marketing.common.console import note
from lora_marketing.common.errors import AdapterRefused, Problem
from lora_marketing.common.files import file_sha256, flush, make_private, write_atomic
from lora_marketing.copy.record import Copy, share_stopped
from lora_marketing.data.dataset import Dataset
from lora_marketing.recipe import LoadedRecipe, Recipe, variant_named
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.recipe.variants import GateFlags, variants_with
from lora_marketing.registry.adapter_check import AdapterSpec, check_adapter, check_values
from lora_marketing.registry.files import CONFIG, KNOWN_TEXTS, WEIGHTS
from lora_marketing.registry.manifest import Manifest
from lora_marketing.registry.names import AdapterName, AdapterRef
from lora_marketing.registry.provenance import recorded_data, recorded_recipe
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version, known_texts
from lora_marketing.runs.disk_errors import checkpoint_bytes, disk_errors_told
from lora_marketing.runs.owner import owning
from lora_marketing.runs.unfinished import note_what_decides, nothing_to_resume
from lora_marketing.text.known_texts import KnownTexts

if TYPE_CHECKING:
    from lora_marketing.engine.base import LoadedBase
    from lora_marketing.training.progress import ProgressTable
    from lora_marketing.training.rendering import RenderedData
    from lora_marketing.training.train import TrainedAdapter
    from lora_marketing.training.trainer import CooperativeRun

ENDED = "ended.json"
"""Name of the file in a run folder that says that training ended, and how."""

PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate", "safetensors")


class BaseCache:
    """Keeps the last base loaded, so that runs in a row share it."""

    def __init__(self) -> None:
        self._held: tuple[BaseSection, LoadedBase] | None = None

    def get(self, section: BaseSection) -> LoadedBase:
        """The loaded base of a recipe's section."""
        from lora_marketing.engine.base import load_base

        if self._held is None or self._held[0] != section:
            self._held = None
            self._held = (section, load_base(section))
        return self._held[1]


def published_run(loaded: LoadedRecipe, data: Dataset, registry: Registry) -> Version | None:
    """The newest published version of exactly this recipe, brand and data, if there is one."""
    name, start = AdapterName.parse(loaded.name), started_from(loaded, registry)
    recipe, rows = recorded_recipe(loaded), recorded_data(loaded, data)
    same = [
        version
        for version in registry.versions(name)
        if _with_new_keys(version.manifest.recipe) == recipe
        and _hashes(version.manifest.data) == _hashes(rows)
        and version.manifest.parent == (start.digest if start else None)
        and _same_weights(loaded.recipe.base, version)
    ]
    return max(same, key=lambda version: version.manifest.created, default=None)


def _with_new_keys(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded recipe with the keys of `base` that the kit did not have then, at their defaults."""
    fields = BaseSection.model_fields.items()
    defaults = {name: field.default for name, field in fields if not field.is_required()}
    base = recorded.get("base")
    return {**recorded, "base": {**defaults, **base} if isinstance(base, Mapping) else base}


def _hashes(rows: Mapping[str, object]) -> dict[str, object]:
    """What decides which rows they are; how many of them are too long hangs on the recipe."""
    return {name: value for name, value in rows.items() if name.endswith("_sha256")}


def started_from(loaded: LoadedRecipe, registry: Registry) -> Version | None:
    """The version that `train.start` means now.

    Raises:
        RegistryError: there is none.
    """
    start = loaded.recipe.train.start
    return registry.resolve(AdapterRef.parse(start)) if start else None


def _same_weights(section: BaseSection, version: Version) -> bool:
    """False if the base is a local folder whose weights changed since; other bases are pinned."""
    folder = Path(section.id)
    return not folder.is_dir() or weights_hash(folder) == version.manifest.base.weights


@dataclass(frozen=True)
class OpenRun:
    """A run about to begin: its base, its rendered rows, what the manifest will say of recipe and data.

    `folder` is named after everything that decides the result, so `resume` can only go on from
    checkpoints of the very same run.
    """

    loaded: LoadedRecipe
    data: Dataset
    base: LoadedBase
    rendered: RenderedData
    folder: Path
    recipe: Mapping[str, Any]
    rows: Mapping[str, str | int | float]
    start: Version | None = None

    @property
    def decides(self) -> dict[str, Any]:
        """Everything that decides the result."""
        return _decides(self.recipe, self.rows, self.base.pin.fingerprint, self.start)

    def disk_errors_told(self) -> AbstractContextManager[None]:
        """Tells what the disk refuses as an error of this run, with the room that a checkpoint needs."""
        wanted, shapes = self.loaded.recipe.lora.target_modules, self.base.linear_shapes
        sizes = [
            out + into
            for name, (out, into) in shapes.items()
            if wanted == "all-linear" or name.rpartition(".")[2] in wanted
        ]
        needed = checkpoint_bytes(self.loaded.recipe.lora.rank * sum(sizes))
        return disk_errors_told(self.loaded.name, self.folder, needed)


def open_run(
    loaded: LoadedRecipe, data: Dataset, holder: BaseCache, registry: Registry, runs: Path
) -> OpenRun:
    """Load the base, render the rows, resolve the start and name the run's folder below `runs`.

    Raises:
        TrainingError: a tracker is not installed, or the disk refuses. BaseModelError: the base is not there.
        RegistryError: `train.start` is not published.
        RenderContractError, DataError: see `render_dataset`.
    """
    from lora_marketing.training.rendering import render_dataset
    from lora_marketing.training.trackers import require_trackers

    require_trackers(loaded.recipe.train.report_to)
    with disk_errors_told(loaded.name, runs):
        start = started_from(loaded, registry)
        base = holder.get(loaded.recipe.base)
        rendered = render_dataset(data, loaded, base)
    recipe, rows = recorded_recipe(loaded), recorded_data(loaded, data)
    folder = runs / _run_name(loaded, _decides(recipe, rows, base.pin.fingerprint, start))
    return OpenRun(loaded, data, base, rendered, folder, recipe, rows, start)


def train_and_publish(
    loaded: LoadedRecipe,
    data: Dataset,
    holder: BaseCache,
    registry: Registry,
    runs: Path,
    *,
    resume: bool,
) -> Version:
    """Train a recipe and publish the result as @candidate; its checkpoints are then deleted.

    A run that ended but could not be published, on a full disk for example, is published by the
    next call without training again.

    Raises:
        AdapterRefused: the load gate refuses what was trained. RegistryError: it cannot be published.
        TrainingError: another process works on this run. Whatever training raises.
    """
    run = open_run(loaded, data, holder, registry, runs)
    with run.disk_errors_told(), owning(run.folder):
        trained = train_run(run, resume=resume)
        return publish_run(run, trained, stop_rate(loaded, data, run.base, trained.folder), registry)


def train_run(
    run: OpenRun,
    *,
    resume: bool,
    cooperative: CooperativeRun | None = None,
    table: ProgressTable | None = None,
) -> TrainedAdapter:
    """Train a run, or take the result that it left when it ended before, and pass the load gate.

    Raises:
        AdapterRefused: the load gate refuses what was trained. TrainingError: the disk refuses.
        Whatever training raises.
    """
    with run.disk_errors_told():
        return _trained(run, resume, cooperative, table)


def _trained(
    run: OpenRun, resume: bool, cooperative: CooperativeRun | None, table: ProgressTable | None
) -> TrainedAdapter:
    from lora_marketing.training.build import TrainOptions, vault_of
    from lora_marketing.training.train import train

    trained = _ended(run.folder)
    if trained:
        note(f"{run.loaded.name}: trained before, in {run.folder}")
    else:
        if resume and not vault_of(run.folder).steps():
            note(nothing_to_resume(run.folder, run.loaded.name, run.decides))
        make_private(run.folder)
        note_what_decides(run.folder, run.decides)
        (run.folder / ENDED).unlink(missing_ok=True)
        options = TrainOptions(cooperative=cooperative, table=table, start=run.start)
        trained = train(run.loaded, run.rendered, run.base, run.folder, resume=resume, options=options)
    _require_variant(check_adapter(trained.folder, run.base.linear_shapes), run.loaded.recipe)
    check_values(trained.folder)
    _note_end(run.folder, trained)
    return trained


def _require_variant(spec: AdapterSpec, recipe: Recipe) -> None:
    flags, name = GateFlags(spec.use_rslora, spec.use_dora), recipe.lora.variant
    if flags != variant_named(name).gate:
        what = f"the adapter is not what lora.variant: {name} makes"
        fix = f"correct the arguments for PEFT in the file of the variant {name}"
        raise AdapterRefused(Problem(what, got=f"one of {variants_with(flags)}", fix=fix))


def publish_run(run: OpenRun, trained: TrainedAdapter, rate: float | None, registry: Registry) -> Version:
    """Publish what was trained as @candidate, with its stop rate, loss curve, card and known texts.

    Raises:
        RegistryError, TrainingError: it cannot be published; the run's folder stays.
    """
    with run.disk_errors_told():
        return _published(run, trained, rate, registry)


def _published(run: OpenRun, trained: TrainedAdapter, rate: float | None, registry: Registry) -> Version:
    from lora_marketing.training.card import draw_loss_curve, model_card

    loaded = run.loaded
    metrics = trained.metrics if rate is None else {**trained.metrics, "stop_rate": rate}
    method = loaded.recipe.train.method
    draw_loss_curve(trained.folder / "loss.png", trained.points, loaded.name, method)
    card = model_card(loaded, run.base.pin.id, metrics)
    (trained.folder / "README.md").write_text(card, encoding="utf-8")
    (trained.folder / KNOWN_TEXTS).write_bytes(_trained_on(run).to_bytes())
    manifest = Manifest(
        name=loaded.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=dict(run.recipe),
        data={**run.rows, **run.rendered.sizes()},
        base=run.base.pin,
        packages=package_versions(),
        seed=loaded.recipe.train.seed,
        metrics=metrics,
        parent=run.start.digest if run.start else None,
    )
    published = registry.publish(AdapterName.parse(loaded.name), trained.folder, manifest)
    shutil.rmtree(run.folder, ignore_errors=True)
    stops = "" if rate is None else f", stop rate {rate:.0%}"
    if "reward_margin" in metrics:
        stops = f", reward margin {metrics['reward_margin']:.3f}{stops}"
    note(
        f"{loaded.name}: held-out loss {metrics['base_loss']:.3f} -> {metrics['held_out_loss']:.3f}{stops},"
        f" published as {published.digest[:16]} @candidate"
    )
    return published


def _trained_on(run: OpenRun) -> KnownTexts:
    """The texts that the run taught (of pairs, those chosen), and those that its start knew."""
    before = known_texts(run.start) if run.start else None
    taught = KnownTexts.of(taught_texts(run.data.train))
    return before | taught if before else taught


def _note_end(run: Path, trained: TrainedAdapter) -> None:
    """Write down a run's result, so that nothing that fails from here on costs the training."""
    hashes = {name: file_sha256(trained.folder / name) for name in (CONFIG, WEIGHTS)}
    points = [astuple(point) for point in trained.points]
    flush(trained.folder)
    flush(run)
    ended = {"metrics": trained.metrics, "points": points, "files": hashes}
    write_atomic(run / ENDED, json.dumps(ended))


def _ended(run: Path) -> TrainedAdapter | None:
    """The result of a run that ended, if its adapter is whole."""
    from lora_marketing.training.progress import LogPoint
    from lora_marketing.training.train import TrainedAdapter

    if not (run / ENDED).is_file():
        return None
    record, folder = json.loads((run / ENDED).read_text()), run / "adapter"
    for name, expected in record["files"].items():
        if not (folder / name).is_file() or file_sha256(folder / name) != expected:
            note(f"Passing over the result in {run}: {name} is missing or damaged")
            return None
    return TrainedAdapter(folder, record["metrics"], [LogPoint(*point) for point in record["points"]])


def stop_rate(loaded: LoadedRecipe, data: Dataset, base: LoadedBase, folder: Path) -> float | None:
    """Share of validation briefs whose copy ends by itself within `eval.max_new_tokens`."""
    return share_stopped(validation_copies(loaded, data, base, folder))


def validation_copies(loaded: LoadedRecipe, data: Dataset, base: LoadedBase, folder: Path) -> list[Copy]:
    """What the adapter in `folder` writes for the first `eval.briefs` validation briefs.

    Raises:
        AdapterRefused: the load gate refuses the adapter.
    """
    return validation_copies_of_all(base, [(loaded, data, folder)])[0]


def validation_copies_of_all(
    base: LoadedBase, trained: Sequence[tuple[LoadedRecipe, Dataset, Path]]
) -> list[list[Copy]]:
    """`validation_copies` of several adapters on one base, which write in one batch.

    Raises:
        AdapterRefused: the load gate refuses an adapter.
    """
    from lora_marketing.engine.sampling import Sampling
    from lora_marketing.engine.writer import Writer
    from lora_marketing.writing.copywriter import CopyOrder, Voice, write_copy

    orders: dict[Sampling, list[tuple[int, CopyOrder]]] = {}
    writer = Writer(base)
    try:
        for place, (loaded, data, folder) in enumerate(trained):
            key, settings = f"trained {place}", loaded.recipe.eval
            writer.load_folder(key, folder)
            voice = Voice(loaded.brand, loaded.recipe.brand.line, loaded.name, key)
            sampling = Sampling(
                loaded.recipe.train.seed, settings.temperature, settings.top_p, settings.max_new_tokens
            )
            briefs = [row.brief() for row in data.validation[: settings.briefs]]
            orders.setdefault(sampling, []).extend((place, CopyOrder(voice, brief)) for brief in briefs)
        copies_of_each: list[list[Copy]] = [[] for _ in trained]
        for sampling, placed in orders.items():
            copies = write_copy(writer, [order for _, order in placed], sampling, raw=True)
            for (place, _), copy in zip(placed, copies, strict=True):
                copies_of_each[place].append(copy)
    finally:
        writer.close()
    return copies_of_each


def package_versions() -> dict[str, str]:
    """Versions of the kit and of every package that can change a result."""
    return {"lora_marketing": __version__, **{name: package_version(name) for name in PACKAGES}}


def _decides(
    recipe: Mapping[str, Any], rows: Mapping[str, Any], fingerprint: str, start: Version | None
) -> dict[str, Any]:
    """Everything that decides the result of a run."""
    base = {"recipe": recipe, "data": rows, "base fingerprint": fingerprint, "packages": package_versions()}
    return base | ({"start": start.digest} if start else {})


def _run_name(loaded: LoadedRecipe, decides: Mapping[str, Any]) -> str:
    text = json.dumps(list(decides.values()), sort_keys=True, ensure_ascii=False)
    return f"{loaded.brand.name}-{loaded.recipe.brand.line}-{sha256(text.encode()).hexdigest()[:12]}"
