"""One run from recipe to registry and desk, on a tiny base."""

from __future__ import annotations

import copy
import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from lora_marketing.common.errors import AdapterRefused, BaseModelError, RegistryError
from lora_marketing.data.dataset import Dataset, prepare
from lora_marketing.engine.request import Request
from lora_marketing.engine.row_cache import BatchedRowCache, InputChunk
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.tiny_base import make_tiny_base
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.registry import AdapterName, AdapterRef, Registry, Version, known_texts
from lora_marketing.registry import files as registry_files
from lora_marketing.registry import store as registry_store
from lora_marketing.runs.run import BaseCache, published_run, train_and_publish
from lora_marketing.text.known_texts import KnownTexts
from lora_marketing.training import train as training
from lora_marketing.writing.session import WritingSession
from lora_marketing.writing.until_good import Effort
from tests.making import BRANDS, write_rows

SMALL = ["train.epochs=1", "train.batch_size=8", "train.micro_batch_size=4", "data.max_length=8192"]
TINY = ["base.quantization=none", "base.compute_dtype=float32", "eval.briefs=1", "eval.max_new_tokens=6"]


class World:
    """A project folder as a user has it: recipes, a base, a registry, runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(BRANDS, root / "recipes" / "brands")
        shutil.copytree(BRANDS.parent / "bases", root / "recipes" / "bases")
        recipe = root / "recipes" / "brands" / "ember-espresso.yaml"
        self.base = root / "base"
        texts = [row.text for row in prepare(load_recipe(recipe)).train]
        make_tiny_base("llama", "smollm2", texts, self.base)
        self.recipe = recipe
        self.registry = Registry(root / "adapters")
        self.runs = root / "runs"
        self.holder = BaseCache()
        self.loaded, self.data = self.job()

    def job(self, *overrides: str) -> tuple[LoadedRecipe, Dataset]:
        loaded = load_recipe(self.recipe, [*SMALL, *TINY, f"base.id={self.base}", *overrides])
        data = prepare(loaded)
        return loaded, Dataset(data.train[:16], data.validation[:2], 0)

    def train(self, *overrides: str, resume: bool = False) -> Version:
        loaded, data = self.job(*overrides)
        return train_and_publish(loaded, data, self.holder, self.registry, self.runs, resume=resume)

    def desk(self, **changes: Any) -> WritingSession:
        values: dict[str, Any] = {
            "adapters": self.registry.root,
            "refs": ["ember/espresso"],
            "base_id": str(self.base),
        }
        return WritingSession.open(**(values | changes))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LORA_MARKETING_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield World(tmp_path_factory.mktemp("a-users-machine"))


@pytest.fixture(scope="module")
def version(world: World) -> Version:
    return world.train()


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".staging" not in path.parts
    }


def test_publish_resolve_write(world: World, version: Version) -> None:
    assert world.registry.resolve(AdapterRef.parse("ember/espresso@candidate")) == version
    assert world.registry.verify(version) == []
    assert not list(world.runs.iterdir()), "the checkpoints of a published run are deleted"
    assert {"base_loss", "held_out_loss", "stop_rate", "steps"} <= version.manifest.metrics.keys()

    briefs = [row.brief() for row in world.data.validation]
    desk = world.desk(recipe=world.recipe.parent / "ember-espresso.yaml", refs=[])
    assert all(
        copy.adapter is None
        for copy in desk.write(briefs, 1, Sampling(max_new_tokens=4), with_base=True, with_adapters=False)
    )
    desk = world.desk()
    copies = desk.write(briefs, 2, Sampling(max_new_tokens=8), with_base=True, with_adapters=True)
    assert [(copy.digest, copy.variant) for copy in copies] == [
        (digest, variant) for _ in briefs for variant in range(2) for digest in (version.digest, None)
    ]
    assert {copy.base for copy in copies} == {version.manifest.base.fingerprint}
    assert len({copy.seed for copy in copies}) == len(copies)
    again = desk.write(briefs[1:], 1, Sampling(max_new_tokens=8), with_base=False, with_adapters=True)
    assert again == [copy for copy in copies if copy.digest and copy.brief == briefs[1]][:1]


def test_a_version_knows_what_it_was_trained_on(world: World, version: Version) -> None:
    known = known_texts(version)
    assert known == KnownTexts.of(row.text for row in world.data.train)
    assert not any(known.overlap(row.text).whole for row in world.data.validation)
    assert len(known.to_bytes()) < 200 * len(world.data.train), "short texts of one product line"


@pytest.mark.thorough
def test_of_pairs_the_chosen_texts_are_known_and_what_their_start_knew(
    world: World, version: Version
) -> None:
    chosen = [f"Pour it slowly and drink it before train number {n} leaves town." for n in range(10)]
    rejected = [f"Pour it fast and drink it after train number {n} has left town." for n in range(10)]
    brief = world.data.train[0].brief().model_dump(mode="json")
    pairs = [
        {**brief, "id": f"p{n}", "product": f"Roast {n}", "chosen": chosen[n], "rejected": rejected[n]}
        for n in range(10)
    ]
    write_rows(world.recipe.with_name("pairs.jsonl"), pairs)
    recipe = world.recipe.with_name("pairs.yaml")
    recipe.write_text(
        "extends: ember-espresso.yaml\n"
        "train: {method: dpo, start: ember/espresso}\ndata: {pairs: pairs.jsonl}\nlora: {dropout: 0}\n"
    )
    loaded = load_recipe(recipe, [*SMALL, *TINY, f"base.id={world.base}"])
    data = prepare(loaded)
    started = train_and_publish(loaded, data, world.holder, world.registry, world.runs, resume=False)
    world.registry.promote(AdapterRef(version.name, digest=version.digest), "candidate")
    known = known_texts(started)
    assert known == KnownTexts.of(row.text for row in (*world.data.train, *data.train))
    assert {row.text for row in data.train} < set(chosen)
    assert not any(known.overlap(text).whole for text in rejected)


def test_a_desk_knows_the_house(world: World, version: Version, tmp_path: Path) -> None:
    """Other brands of the registry and of the desk are others; other lines of the brand are not."""
    adapters = tmp_path / "adapters"
    shutil.copytree(world.registry.root, adapters)
    for name, shown in (("ember/filter", "Ember Filter"), ("lumen/serum", "Lumen"), ("shanyu/camp", "山屿")):
        _publish_as(Registry(adapters), name, shown, version)
    damaged = Registry(adapters).resolve(AdapterRef.parse("lumen/serum")).folder
    _publish_as(Registry(adapters), "lumen/serum", "Lumen", version, seed=2)
    shutil.rmtree(damaged)
    (adapters / "lumen" / "serum" / "aliases" / "candidate").unlink()
    desk = world.desk(adapters=adapters, refs=["ember/espresso", "shanyu/camp"])
    ember, shanyu = desk.voices
    assert (ember.known, shanyu.known) == (known_texts(version),) * 2
    assert (ember.others, shanyu.others) == (("Lumen", "山屿"), ("Ember", "Ember Filter", "Lumen"))
    briefs = [world.data.validation[0].brief()]
    outcome, _ = desk.write_until_good(
        briefs, Effort(1, 1, 1), Sampling(max_new_tokens=1), with_base=True, with_adapters=False
    )
    assert (outcome.voice.known, outcome.voice.others) == (None, ember.others)


def _publish_as(registry: Registry, name: str, shown: str, version: Version, seed: int = 1) -> None:
    told = version.manifest
    recipe = {**told.recipe, "brand_profile": {**told.recipe["brand_profile"], "display_name": shown}}
    recipe["brand_profile"]["name"] = name.partition("/")[0]
    folder = registry.root.parent / "given"
    shutil.copytree(version.folder, folder)
    (folder / "manifest.json").unlink()
    changed = {"name": name, "recipe": recipe, "seed": seed, "files": {}}
    registry.publish(AdapterName.parse(name), folder, told.model_copy(update=changed))
    shutil.rmtree(folder)


def test_the_very_same_run_is_recognised_and_no_other(world: World, version: Version) -> None:
    assert published_run(*world.job(), world.registry) == version
    for change in ("train.seed=14", "lora.rank=8", "train.learning_rate=3e-4", "eval.briefs=2"):
        assert published_run(*world.job(change), world.registry) is None
    loaded, data = world.job()
    fewer = Dataset(data.train[1:], data.validation, 0)
    assert published_run(loaded, fewer, world.registry) is None


def test_a_local_base_that_changed_is_another_run(world: World, version: Version, tmp_path: Path) -> None:
    weights = world.base / "model.safetensors"
    kept = weights.read_bytes()
    try:
        weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        assert published_run(*world.job(), world.registry) is None
    finally:
        weights.write_bytes(kept)
    assert published_run(*world.job(), world.registry) == version


def test_another_base_of_the_same_shape_is_refused(world: World, version: Version, tmp_path: Path) -> None:
    other = tmp_path / "base"
    texts = [row.text for row in world.data.train]
    make_tiny_base("llama", "smollm2", [*texts[1:], "山屿"], other, seed=14)
    with pytest.raises(AdapterRefused) as caught:
        world.desk(base_id=str(other))
    message = str(caught.value)
    assert "was trained on another base" in message
    assert "weights" in message
    assert version.manifest.base.fingerprint[:12] in message


def test_a_local_base_must_be_pointed_at(world: World, version: Version) -> None:
    with pytest.raises(BaseModelError, match="--base-id"):
        world.desk(base_id=None)


def test_two_bases_at_one_desk_are_refused(world: World, version: Version) -> None:
    with pytest.raises(AdapterRefused, match="different bases"):
        world.desk(recipe=world.recipe)


def test_peft_reads_the_published_folder_as_it_is_and_says_the_same(
    world: World, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = world.holder.get(world.loaded.recipe.base)
    prompt = [40, 50, 60, 70, 80]
    with torch.inference_mode():
        ids = torch.tensor([prompt])
        bare = base.model(input_ids=ids).logits[:, -1]
        model = PeftModel.from_pretrained(copy.deepcopy(base.model), version.folder)
        theirs = model(input_ids=ids).logits[:, -1]
    computed: list[torch.Tensor] = []
    compute = BatchedRowCache.compute

    def noted(memory: BatchedRowCache, first: int, feeds: Sequence[InputChunk]) -> torch.Tensor:
        computed.append(compute(memory, first, feeds))
        return computed[-1]

    monkeypatch.setattr(BatchedRowCache, "compute", noted)
    one = Sampling(max_new_tokens=1)
    world.desk().writer.write([Request(prompt, version.digest, one), Request(prompt, None, one)])
    ((beside, ours),) = computed  # rows of one adapter next to each other, the base first
    assert (theirs - bare).abs().max() > 1e-4
    assert (ours - bare).abs().max() > 1e-4
    torch.testing.assert_close(ours[None], theirs, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(beside[None], bare, rtol=1e-5, atol=1e-6)


def test_a_version_holds_no_path_of_this_machine(world: World, version: Version) -> None:
    needles = [str(world.root), str(world.root.parent), str(Path.home()), os.getcwd()]
    for path in version.folder.iterdir():
        raw = path.read_bytes()
        assert not [needle for needle in needles if len(needle) > 1 and needle.encode() in raw], path


@pytest.mark.thorough
def test_a_full_disk_costs_neither_the_registry_nor_the_training(
    world: World, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(world.registry.root)

    def full(source: Path, target: Path) -> str:
        if source.name == registry_files.WEIGHTS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return registry_files.copy_durable(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(registry_store, "copy_durable", full)
        with pytest.raises(RegistryError, match="No space left"):
            world.train("train.seed=21")
    assert tree(world.registry.root) == before
    (run,) = world.runs.iterdir()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it trains again")

    with monkeypatch.context() as patched:
        patched.setattr(training, "train", refuse)
        published = world.train("train.seed=21")  # what the error says: put that right, then repeat
    assert not run.exists()
    assert world.registry.verify(published) == []
    assert world.registry.resolve(AdapterRef.parse("ember/espresso@candidate")) == published
    assert published_run(*world.job("train.seed=21"), world.registry) == published


@pytest.mark.thorough
def test_resume_with_nothing_to_resume_names_the_run_that_was_perhaps_meant(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training, "_save_adapter", interrupted)
        with pytest.raises(KeyboardInterrupt):
            world.train("train.seed=61", "train.learning_rate=4e-3")
    (left,) = [folder for folder in world.runs.iterdir() if folder.is_dir()]
    capsys.readouterr()
    world.train("train.seed=61", "train.learning_rate=3e-3", resume=True)
    said = " ".join(capsys.readouterr().err.split())
    assert "there is no checkpoint of this run to go on from" in said
    assert f"{left.name} (step 2), which differs in train.learning_rate 0.004 there, 0.003 here" in said
    world.train("train.seed=61", "train.learning_rate=4e-3", resume=True)
    assert "no checkpoint of this run" not in capsys.readouterr().err
    assert not left.exists()


@pytest.mark.thorough
def test_a_damaged_result_is_not_published_but_trained_again(
    world: World, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = 0
    real = training.train

    def counted(*arguments: Any, **keywords: Any) -> Any:
        nonlocal trained
        trained += 1
        return real(*arguments, **keywords)

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(training, "train", counted)
    with monkeypatch.context() as patched:
        patched.setattr(registry_store, "copy_durable", fail)
        with pytest.raises(RegistryError):
            world.train("train.seed=22")
    (run,) = world.runs.iterdir()
    weights = run / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    published = world.train("train.seed=22", resume=True)
    assert trained == 2
    assert world.registry.verify(published) == []


@pytest.mark.thorough
def test_an_adapter_that_the_gate_refuses_is_never_published(
    world: World, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(world.registry.root)
    real = training.train

    def spoilt(*arguments: Any, **keywords: Any) -> Any:
        from safetensors.torch import load_file, save_file

        trained = real(*arguments, **keywords)
        path = trained.folder / "adapter_model.safetensors"
        tensors = load_file(path)
        next(iter(tensors.values()))[0, 0] = float("nan")
        save_file(tensors, path)
        return trained

    with monkeypatch.context() as patched:
        patched.setattr(training, "train", spoilt)
        with pytest.raises(AdapterRefused, match="NaN"):
            world.train("train.seed=23", "eval.briefs=0")  # no brief: the stop rate does not load it
    assert tree(world.registry.root) == before
    assert world.train("train.seed=23", "eval.briefs=0").manifest.metrics["held_out_loss"] > 0
