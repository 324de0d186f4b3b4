"""Preference training: DPO's own formula, the reference, and one run from pairs to a version that writes."""

from __future__ import annotations

import json
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch.nn.functional import log_softmax, logsigmoid

from lora_marketing.brands.preference_pairs import PreferencePair
from lora_marketing.common.errors import DataError, RegistryError, TrainingError
from lora_marketing.data.dataset import Dataset, read_examples
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.tiny_base import VOCABULARY
from lora_marketing.planning.batches import micro_batch, worst
from lora_marketing.planning.micro_batch import measure
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.registry import AdapterRef, Registry, Version
from lora_marketing.runs.run import BaseCache, published_run, train_and_publish
from lora_marketing.tokens.rendered_pairs import RenderedPair, longest
from lora_marketing.training.build import TrainOptions, build_trainer
from lora_marketing.training.checkpoints import CheckpointVault
from lora_marketing.training.fused import fusing_refusal
from lora_marketing.training.plan_run import plan_run
from lora_marketing.training.preference import PreferenceTrainer
from lora_marketing.training.progress import ProgressCallback
from lora_marketing.training.rendering import RenderedData, render_dataset
from lora_marketing.training.train import train
from lora_marketing.writing.session import WritingSession
from tests.closeness import LONGEST_SUM, close, rounding
from tests.training.making import example, open_run, recipe

NF4: dict[str, Any] = {"quantization": "nf4", "dtype": "bfloat16"}
WEIGHTS = "adapter_model.safetensors"


def pair(number: int) -> PreferencePair:
    """The brand ends flat; what was rejected does not. Lengths differ in both directions."""
    row = example(number).model_dump(exclude={"text"})
    cheer = " ".join(["So good!"] * (1 + number % 3))
    return PreferencePair(**row, chosen=example(number).text, rejected=f"{cheer} {number}!")


def pairs(train: int = 16, validation: int = 5) -> Dataset:
    rows = [pair(number) for number in range(train + validation)]
    return Dataset(rows[:train], rows[train:], 0)


def preferring(base: Path, **sections: Any) -> LoadedRecipe:
    """Eight steps of four pairs in two epochs, an evaluation after every fourth."""
    train = {"method": "dpo", "beta": 0.3, "epochs": 2.0, "batch_size": 4, "micro_batch_size": 2}
    sections["train"] = {**train, "learning_rate": 5e-3, **sections.get("train", {})}
    data = {"train": "texts.jsonl", "pairs": "pairs.jsonl"}
    return recipe(
        base, **{"data": data, "eval": {"per_epoch": 1, "briefs": 1, "max_new_tokens": 4}, **sections}
    )


def imitating(base: Path, **sections: Any) -> LoadedRecipe:
    """The recipe that makes an adapter to start from."""
    return recipe(base, **{"train": {"epochs": 1.0, "batch_size": 8, "learning_rate": 1e-2}, **sections})


def chosen_only(data: Dataset) -> Dataset:
    """The chosen texts as rows."""
    split = (
        [row.as_chosen() for row in rows if isinstance(row, PreferencePair)]
        for rows in (data.train, data.validation)
    )
    train, validation = split
    return Dataset(train, validation, 0)


@pytest.fixture(scope="module")
def published(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, Version]:
    """A registry with an adapter that imitates the chosen texts (float32, not quantized)."""
    root = tmp_path_factory.mktemp("registry")
    registry = Registry(root / "adapters")
    data = chosen_only(pairs())
    version = train_and_publish(imitating(tiny), data, BaseCache(), registry, root / "runs", resume=False)
    registry.promote(AdapterRef.parse("ember/espresso@candidate"), "prod")
    return registry, version


def trainer_of(
    loaded: LoadedRecipe, base: LoadedBase, data: RenderedData, run: Path, start: Version | None
) -> PreferenceTrainer:
    """As `train` builds it."""
    own, options = base.with_modules_of_its_own(), TrainOptions(start=start)
    trainer = build_trainer(loaded.recipe, data, own, run, ProgressCallback("test"), options)
    assert isinstance(trainer, PreferenceTrainer)
    return trainer


def log_probability(model: torch.nn.Module, ids: tuple[int, ...], prompt: int) -> torch.Tensor:
    """Of one answer, its tokens alone, without padding and without TRL."""
    logits = model(input_ids=torch.tensor([ids])).logits[0, prompt - 1 : -1].float()
    answer = torch.tensor(ids[prompt:])
    return log_softmax(logits, dim=-1)[torch.arange(len(answer)), answer].sum()


def written_out(
    policy: torch.nn.Module, reference: torch.nn.Module, rows: list[RenderedPair], beta: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Equation 7 of arXiv:2305.18290 and the margins, pair by pair."""
    margins = []
    for row in rows:
        both = ((row.input_ids, row.prompt_length), (row.rejected.input_ids, row.prompt_length))
        chosen, rejected = (
            log_probability(policy, *one) - log_probability(reference, *one).detach() for one in both
        )
        margins.append(beta * (chosen - rejected))
    stacked = torch.stack(margins)
    return -logsigmoid(stacked).mean(), stacked.detach()


def margin_rounding(rows: list[RenderedPair], beta: float) -> float:
    """How far two computations of a margin may be apart.

    It is a small difference of large sums, of about log(vocabulary) nats for each token of an answer.
    """
    tokens = max(len(text.input_ids) - text.prompt_length for row in rows for text in (row, row.rejected))
    return beta * tokens * log(VOCABULARY) * rounding(16)


@pytest.mark.thorough
@pytest.mark.parametrize("begins", ["at the bare base", "at a published adapter"])
def test_loss_and_gradients_are_those_of_the_formula(
    begins: str, published: tuple[Registry, Version], tiny: Path, tmp_path: Path
) -> None:
    """Against PEFT alone, which loads the start from its folder, after the weights have moved from it."""
    start = published[1] if "adapter" in begins else None
    loaded = preferring(tiny, train={"start": "ember/espresso"} if start else {})
    base = load_base(loaded.recipe.base)
    data = render_dataset(pairs(), loaded, base)
    trainer = trainer_of(loaded, base, data, tmp_path, start)
    alone = load_base(loaded.recipe.base).model
    reference = PeftModel.from_pretrained(alone, start.folder) if start else alone
    generator = torch.Generator().manual_seed(3)
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn(parameter.shape, generator=generator) / 30
    trainer.model.train()
    rows = [row for row in data.train[:3] if isinstance(row, RenderedPair)]
    batch = trainer.data_collator([trainer.train_dataset[index] for index in range(3)])
    loss = trainer.compute_loss(trainer.model, batch)
    loss.backward()
    found = {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
    trainer.model.zero_grad()
    wanted, margins = written_out(trainer.model, reference, rows, 0.3)
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=rounding())
    logged = trainer._metrics["train"]["rewards/margins"][-1]
    assert logged == pytest.approx(margins.mean().item(), abs=margin_rounding(rows, 0.3))
    assert margins.abs().min() > 0.01, "the weights have moved"
    assert len(found) == 2 * len(base.linear_shapes)
    for name, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None
            close(found[name], parameter.grad, name, terms=4 * LONGEST_SUM)  # two texts and two models


def test_every_pair_weighs_the_same(tiny: Path, tmp_path: Path) -> None:
    """A step of 2 + 1 pairs has the gradients of 3 together; the held-out figures are means over pairs."""
    loaded = preferring(tiny, train={"micro_batch_size": 2})
    base, data = open_run(loaded, pairs())
    trainer = trainer_of(loaded, base, data, tmp_path, None)
    columns = [trainer.train_dataset[index] for index in range(3)]

    def gradients(*sizes: list[dict[str, Any]]) -> tuple[float, dict[str, torch.Tensor]]:
        batches = [trainer.data_collator(rows) for rows in sizes]
        samples, count = trainer.get_batch_samples(iter(batches), len(batches), torch.device("cpu"))
        trainer.current_gradient_accumulation_steps = len(batches)
        loss = sum(float(trainer.training_step(trainer.model, sample, count)) for sample in samples)
        found = {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}
        trainer.model.zero_grad()
        return loss, found

    together, apart = gradients(columns), gradients(columns[:2], columns[2:])
    assert apart[0] == pytest.approx(together[0], rel=rounding())
    for name, wanted in together[1].items():
        close(apart[1][name], wanted, name)
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05
    figures = trainer.evaluate()
    rows = [row for row in data.validation if isinstance(row, RenderedPair)]
    alone = load_base(loaded.recipe.base).model
    with torch.no_grad():
        loss, margins = written_out(trainer.model.eval(), alone, rows, 0.3)
    assert figures["eval_loss"] == pytest.approx(loss.item(), rel=rounding())
    logged = trainer.state.log_history[-1]
    apart_by = margin_rounding(rows, 0.3)
    assert logged["eval_rewards/margins"] == pytest.approx(margins.mean().item(), abs=apart_by)
    assert logged["eval_rewards/accuracies"] == pytest.approx((margins > 0).float().mean().item())


@pytest.mark.parametrize("settings", [pytest.param({}, id="float32"), pytest.param(NF4, id="nf4")])
@pytest.mark.thorough
def test_a_run_from_a_published_adapter_ends_as_a_version_that_writes(
    settings: dict[str, Any],
    published: tuple[Registry, Version],
    tiny: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    registry, holder, data = Registry(tmp_path / "adapters"), BaseCache(), pairs()
    start = published[1]
    if settings:
        first = imitating(tiny, **settings)
        start = train_and_publish(first, chosen_only(data), holder, registry, tmp_path / "runs", resume=False)
    else:
        registry = published[0]
    loaded = preferring(tiny, **settings, train={"start": f"ember/espresso:{start.digest[:16]}"})
    assert published_run(loaded, data, registry) is None
    version = train_and_publish(loaded, data, holder, registry, tmp_path / "runs", resume=False)
    metrics, manifest = version.manifest.metrics, version.manifest
    assert "Training on padded batches: preference pairs" in capsys.readouterr().err
    assert manifest.parent == start.digest
    assert manifest.recipe["train"]["method"] == "dpo"
    assert manifest.data["train_rows"] == 16
    assert metrics["base_loss"] == pytest.approx(0.693147, abs=1e-6)
    assert metrics["held_out_loss"] < metrics["base_loss"]
    assert metrics["reward_margin"] > 0
    assert 0.5 < metrics["reward_accuracy"] <= 1
    assert "stop_rate" in metrics
    assert published_run(loaded, data, registry) == version
    assert "DPO's per preference pair" in (version.folder / "README.md").read_text()
    desk = WritingSession.open(registry.root, [str(version)], base_id=str(tiny))
    brief = data.validation[0].brief()
    (copy,) = desk.write([brief], 1, Sampling(max_new_tokens=4), with_base=False, with_adapters=True)
    assert copy.digest == version.digest


@pytest.mark.thorough
def test_training_widens_the_margin_of_its_pairs(tiny: Path, tmp_path: Path) -> None:
    """Measured by PEFT alone on the saved adapter; at the start every margin is zero."""
    loaded = preferring(tiny)
    base, data = open_run(loaded, pairs())
    trained = train(loaded, data, base, tmp_path, resume=False)
    rows = [row for row in data.train if isinstance(row, RenderedPair)]
    policy = PeftModel.from_pretrained(load_base(loaded.recipe.base).model, trained.folder)
    with torch.no_grad():
        _, margins = written_out(policy, base.model, rows, 0.3)
    assert (margins > 0).float().mean() > 0.9
    assert margins.mean() > 0.5
    state = CheckpointVault(tmp_path / "checkpoints").path(8) / "trainer_state.json"
    logged = [one["rewards/margins"] for one in json.loads(state.read_text())["log_history"] if "loss" in one]
    assert logged[0] == pytest.approx(0, abs=margin_rounding(rows, 0.3))
    assert logged[-1] > 0.5


@pytest.mark.thorough
def test_an_interrupted_run_resumes_to_the_same_bytes(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends in the second micro-batch of step 6; the reference is computed anew and is the same."""
    loaded = preferring(tiny, eval={"per_epoch": 2})
    base, data = open_run(loaded, pairs())
    whole = train(loaded, data, base, tmp_path / "whole", resume=False)
    real, calls = PreferenceTrainer.training_step, iter(range(11))

    def interrupted(trainer: PreferenceTrainer, *arguments: Any) -> torch.Tensor:
        if next(calls, None) is None:
            raise OSError("power cut")
        return real(trainer, *arguments)

    monkeypatch.setattr(PreferenceTrainer, "training_step", interrupted)
    with pytest.raises(OSError, match="power cut"):
        train(loaded, data, base, tmp_path / "cut", resume=False)
    assert CheckpointVault(tmp_path / "cut" / "checkpoints").steps() == [2, 4]
    monkeypatch.setattr(PreferenceTrainer, "training_step", real)
    resumed = train(loaded, data, base, tmp_path / "cut", resume=True)
    assert (resumed.folder / WEIGHTS).read_bytes() == (whole.folder / WEIGHTS).read_bytes()
    assert resumed.points == whole.points
    saved = load_file(whole.folder / WEIGHTS)
    assert not any(".ref." in name for name in saved), "the reference is not saved"


@pytest.mark.thorough
def test_a_start_that_does_not_fit_is_named(
    published: tuple[Registry, Version], tiny: Path, tmp_path: Path
) -> None:
    registry, start = published
    train_section = {"start": "ember/espresso@prod"}
    lora = {"rank": 8, "alpha": 8, "variant": "rslora", "target_modules": ["q_proj", "v_proj"]}
    other = preferring(tiny, train=train_section, lora=lora)
    base, data = open_run(other, pairs())
    with pytest.raises(TrainingError) as caught:
        train(other, data, base, tmp_path, resume=False, options=TrainOptions(start=start))
    keys = [problem.what.split()[-1] for problem in caught.value.problems]
    assert keys == ["lora.rank", "lora.variant", "lora.target_modules"]
    with pytest.raises(TrainingError, match=r"train\.start is not followed here"):
        train(other, data, base, tmp_path, resume=False)
    missing = preferring(tiny, train={"start": "ember/espresso@prod-2"})
    with pytest.raises(RegistryError, match="no alias prod-2"):
        train_and_publish(missing, pairs(), BaseCache(), registry, tmp_path, resume=False)
    quantized = preferring(tiny, **NF4, train=train_section)
    with pytest.raises(RegistryError, match="trained on another base"):
        train_and_publish(quantized, pairs(), BaseCache(), registry, tmp_path, resume=False)


def test_long_pairs_are_told_with_their_lines(tiny: Path, tmp_path: Path) -> None:
    """The longer text of a pair counts, be it the rejected one."""
    rows = [pair(number) for number in range(12)]
    rows[7] = rows[7].model_copy(update={"rejected": "So good! " * 60})
    lines = [row.model_dump_json(by_alias=True) for row in rows]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    data = {"pairs": str(file), "max_length": 260}
    read = [row for _, row in read_examples(file, PreferencePair)]
    file.unlink()  # what was read once is not read again
    loaded, found = preferring(tiny, data=data), Dataset(read[:9], read[9:], 0)
    base = load_base(loaded.recipe.base)
    with pytest.raises(DataError, match=r"pairs\.jsonl:8: the pair is longer than data\.max_length"):
        render_dataset(found, loaded, base)
    dropped = render_dataset(found, preferring(tiny, data=data | {"overlong": "drop"}), base)
    assert (len(dropped.train), dropped.overlong_dropped) == (8, 1)


def test_the_plan_counts_both_texts_of_a_pair(tiny: Path, tmp_path: Path) -> None:
    """Padded, as they are collated; and pairs are never fused with other brands' trees."""
    loaded = preferring(tiny, train={"micro_batch_size": 4})
    base, data = open_run(loaded, pairs())
    plan = plan_run(loaded.recipe, data.train, data.validation, base)
    trainer = trainer_of(loaded, base, data, tmp_path, None)
    planned = measure(plan.setting, 4).drawn[0]
    assert (planned.rows, planned.bins, planned.trunk) == (4, 8, 0)
    longest_first = sorted(range(16), key=lambda index: -longest(data.train[index]))
    batch = trainer.data_collator([trainer.train_dataset[index] for index in longest_first[:4]])
    assert batch["input_ids"].shape[0] == 8
    group, *_ = worst(data.train, 4, per_source=0)
    assert micro_batch(group, tree=False).computed == batch["input_ids"].numel()
    assert micro_batch(group, tree=False).row_tokens == int(batch["attention_mask"].sum())
    assert "preference pairs" in (fusing_refusal(loaded.recipe, base) or "")
