"""One run from recipe to adapter: what is saved, what stops it, and that the base stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from transformers import TrainerCallback

from lora_marketing.common.errors import DataError, TrainingError
from lora_marketing.data.dataset import Dataset
from lora_marketing.engine.adapter_weights import dense_weight
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.recipe import LoadedRecipe, variant_named, variant_names
from lora_marketing.recipe.variants import variant_problems
from lora_marketing.registry.adapter_check import check_adapter, check_values
from lora_marketing.registry.store import Registry
from lora_marketing.runs.run import BaseCache, train_and_publish
from lora_marketing.tokens.render import Rendered
from lora_marketing.training import build
from lora_marketing.training.build import TrainOptions
from lora_marketing.training.checkpoints import CheckpointVault
from lora_marketing.training.progress import ProgressCallback
from lora_marketing.training.rendering import render_dataset
from lora_marketing.training.train import train
from lora_marketing.training.trainer import BrandTrainer
from tests.closeness import rounding
from tests.training.making import (
    build_trainer,
    dataset,
    example,
    lora_gradients,
    make_base,
    open_run,
    padded,
    recipe,
)
from tests.training.test_preference import pairs

NF4: dict[str, Any] = {"quantization": "nf4", "dtype": "bfloat16"}
WEIGHTS = "adapter_model.safetensors"
Step = Callable[..., torch.Tensor]


def short(base: Path, **sections: Any) -> LoadedRecipe:
    """Six steps with an evaluation after each."""
    values: dict[str, Any] = {"train": {"epochs": 1.0}, "eval": {"per_epoch": 6}} | sections
    return recipe(base, **values)


def state_of(base: LoadedBase) -> dict[str, Any]:
    """Everything of a model that a run could leave behind."""
    model = base.model.requires_grad_(False)
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for name, module in model.named_modules():
        quantization = getattr(getattr(module, "weight", None), "quant_state", None)
        if quantization is not None:
            packed = quantization.as_dict(packed=True)
            tensors |= {f"{name}.{key}": value for key, value in packed.items()}
    return {
        "tensors": {name: value.detach().clone() for name, value in tensors.items()},
        "modules": {name: type(module).__name__ for name, module in model.named_modules()},
        "training": [name for name, module in model.named_modules() if module.training],
        "hooks": {name: hooks for name, module in model.named_modules() if (hooks := hooks_of(module))},
        "attributes": {name: attributes_of(module) for name, module in model.named_modules()},
        "config": model.config.to_dict(),
    }


def hooks_of(module: nn.Module) -> list[str]:
    return [name for name, value in vars(module).items() if name.endswith("_hooks") and value]


def attributes_of(module: nn.Module) -> dict[str, Any]:
    """What is set on a module, without the switches that transformers leaves in the off position."""
    plain = (bool, int, float, str, type(None))
    found = {name: value if isinstance(value, plain) else "..." for name, value in vars(module).items()}
    return {name: value for name, value in found.items() if "checkpointing" not in name or value is True}


def assert_untouched(base: LoadedBase, before: Mapping[str, Any]) -> None:
    assert not any(parameter.requires_grad for parameter in base.model.parameters())
    after = state_of(base)
    assert after["tensors"].keys() == before["tensors"].keys()
    for name, tensor in before["tensors"].items():
        assert torch.equal(after["tensors"][name], tensor), name
    for aspect in ("modules", "training", "hooks", "config", "attributes"):
        assert after[aspect] == before[aspect], aspect
    assert before["training"] == []


@pytest.mark.thorough
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="fp32", marks=pytest.mark.thorough),
        pytest.param({**NF4, "lora": {"variant": "loftq"}}, id="loftq on nf4", marks=pytest.mark.thorough),
        pytest.param(
            {"train": {"epochs": 1.0, "activation_checkpointing": True, "packing": "padded"}},
            id="padded with activation checkpointing",
        ),
    ],
)
def test_the_base_is_left_as_it_was_found(changes: dict[str, Any], tiny: Path, tmp_path: Path) -> None:
    """So a second brand on the same base gets the weights it would have got as the first."""
    first = short(tiny, **changes)
    second = short(tiny, **{**changes, "lora": {"rank": 2, "alpha": 4}})
    base, data = open_run(first)
    data = replace(data, train=data.train[:8])
    before = state_of(base)
    train(first, data, base, tmp_path / "first", resume=False)
    assert_untouched(base, before)
    after_another = train(second, data, base, tmp_path / "second", resume=False)
    fresh, _ = open_run(second)
    alone = train(second, data, fresh, tmp_path / "alone", resume=False)
    assert (after_another.folder / WEIGHTS).read_bytes() == (alone.folder / WEIGHTS).read_bytes()
    assert after_another.metrics["base_loss"] == alone.metrics["base_loss"]


@pytest.mark.parametrize("place", ["build_trainer", "train"])
def test_the_base_is_left_as_it_was_found_after_a_failure(
    place: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = short(tiny)
    base, data = open_run(loaded)
    before = state_of(base)

    def failing(*_: Any, **__: Any) -> None:
        raise OSError("disk full")

    name = {"build_trainer": "remove_callback", "train": "training_step"}[place]
    monkeypatch.setattr(BrandTrainer, name, failing)
    with pytest.raises(OSError, match="disk full"):
        train(loaded, data, base, tmp_path, resume=False)
    assert_untouched(base, before)


@pytest.mark.thorough
def test_a_nan_loss_stops_the_run_and_publishes_nothing(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A weight turns to NaN in step 4; the checkpoints of steps 2 and 3 stay."""
    loaded = short(tiny, train={"epochs": 1.0, "micro_batch_size": 4})
    real: Step = BrandTrainer.training_step

    def poisoned(trainer: BrandTrainer, model: nn.Module, *rest: Any) -> torch.Tensor:
        if trainer.state.global_step == 3:
            weight = next(p for name, p in model.named_parameters() if "lora_B" in name)
            weight.data[0, 0] = float("nan")
        return real(trainer, model, *rest)

    monkeypatch.setattr(BrandTrainer, "training_step", poisoned)
    registry, holder = Registry(tmp_path / "adapters"), BaseCache()
    with pytest.raises(TrainingError, match="nan at step 4") as caught:
        train_and_publish(loaded, dataset(), holder, registry, tmp_path / "runs", resume=False)
    assert caught.value.exit_code == 2
    assert not list((tmp_path / "adapters").rglob("*.safetensors"))
    (run,) = (tmp_path / "runs").iterdir()
    vault = CheckpointVault(run / "checkpoints")
    assert vault.steps() == [2, 3]
    for step in (2, 3):
        assert vault.damage(step) is None
        check_values(vault.path(step))

    monkeypatch.setattr(BrandTrainer, "training_step", real)
    version = train_and_publish(loaded, dataset(), holder, registry, tmp_path / "runs", resume=True)
    assert version.manifest.metrics["steps"] == 6
    assert not run.exists(), "checkpoints go once the version is published"


def test_a_huge_learning_rate_is_named(tiny: Path, tmp_path: Path) -> None:
    loaded = short(
        tiny,
        train={"epochs": 1.0, "learning_rate": 1e35, "scheduler": "constant", "warmup_fraction": 0.0},
        eval={"per_epoch": 1},
    )
    base, data = open_run(loaded)
    with pytest.raises(TrainingError, match="at step 2") as caught:
        train(loaded, data, base, tmp_path, resume=False)
    assert "learning rate 1.00e+35" in str(caught.value)


def test_early_stopping_saves_the_best_checkpoint(tiny: Path, tmp_path: Path) -> None:
    """A far too high learning rate makes the loss worse after a while."""
    loaded = recipe(
        tiny,
        train={"epochs": 20.0, "learning_rate": 0.2, "scheduler": "constant", "batch_size": 12},
        eval={"patience": 3, "per_epoch": 2},
    )
    base, data = open_run(loaded)
    trained = train(loaded, data, base, tmp_path, resume=False)
    vault = CheckpointVault(tmp_path / "checkpoints")
    held_out = {point.step: point.eval_loss for point in trained.points if point.eval_loss and point.step}
    best = min(held_out, key=lambda step: held_out[step])
    assert trained.metrics["best_step"] == best
    assert trained.metrics["steps"] == best + 3 == max(held_out) < 40
    assert trained.metrics["held_out_loss"] == held_out[best]
    saved = load_file(trained.folder / WEIGHTS)
    chosen = load_file(vault.require(best) / WEIGHTS)
    newest = load_file(vault.path(best + 3) / WEIGHTS)
    assert saved.keys() == chosen.keys()
    assert all(torch.equal(saved[name], chosen[name]) for name in saved)
    assert not all(torch.equal(saved[name], newest[name]) for name in saved)


@pytest.mark.thorough
def test_a_lost_best_checkpoint_is_an_error_not_a_worse_adapter(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = short(tiny)
    base, data = open_run(loaded)
    real = CheckpointVault.prune

    def prune_too_much(vault: CheckpointVault, keep_newest: int, best_step: int | None) -> None:
        real(vault, keep_newest, best_step)
        if best_step == vault.steps()[-1] == 6:
            (vault.path(6) / WEIGHTS).write_bytes(b"")

    monkeypatch.setattr(CheckpointVault, "prune", prune_too_much)
    with pytest.raises(TrainingError, match=r"best checkpoint \(step 6\) is lost"):
        train(loaded, data, base, tmp_path, resume=False)
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize("packing", ["prefix_tree", "padded"])
def test_an_evaluation_does_not_change_gradients_under_nf4(packing: str, tiny: Path, tmp_path: Path) -> None:
    """bitsandbytes repacks weights in eval mode on CPUs with AVX512-BF16, which has no backward."""
    loaded = recipe(tiny, **NF4, train={"packing": packing})
    trainer = build_trainer(loaded, *open_run(loaded), tmp_path)
    trainer.current_gradient_accumulation_steps = 1
    trainer.accelerator.prepare_model(trainer.model)  # as a run does: autocast

    def gradients() -> dict[str, torch.Tensor]:
        batch = trainer.data_collator([trainer.train_dataset[index] for index in range(3)])
        samples, count = trainer.get_batch_samples(iter([batch]), 1, torch.device("cpu"))
        trainer.training_step(trainer.model, samples[0], count)
        return lora_gradients(trainer.model)

    before = gradients()
    first = trainer.evaluate()["eval_loss"]
    after = gradients()
    assert all(before[name].abs().max() > 0 for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert trainer.evaluate()["eval_loss"] == first


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_the_smallest_steps_change_nearly_every_number(method: str, tiny: Path, tmp_path: Path) -> None:
    """LoRA is trained in float32: a bfloat16 number ignores steps below a 256th of itself."""
    watch = _Changed()
    train_settings = {"method": method, "learning_rate": 5e-6, "scheduler": "constant", "epochs": 4.0}
    loaded = recipe(tiny, **NF4, train=train_settings)
    base, data = open_run(loaded, pairs() if method == "dpo" else dataset())
    trained = train(loaded, data, base, tmp_path, resume=False, options=TrainOptions(callbacks=[watch]))
    assert watch.dtypes == {torch.float32}
    assert watch.share > 0.99
    published = load_file(trained.folder / WEIGHTS)
    assert {tensor.dtype for tensor in published.values()} == {torch.bfloat16}, "the base's compute dtype"


class _Changed(TrainerCallback):
    """The share of A's numbers that a run changes, and the dtypes that it trains."""

    share = 0.0

    def on_train_begin(self, *_: Any, model: nn.Module, **__: Any) -> None:
        self.start = {name: weight.detach().clone() for name, weight in model.named_parameters()}

    def on_train_end(self, *_: Any, model: nn.Module, **__: Any) -> None:
        trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.dtypes = {weight.dtype for weight in trained.values()}
        moved = [weight != self.start[name] for name, weight in trained.items() if "lora_A" in name]
        self.share = float(torch.cat([one.flatten() for one in moved]).float().mean())


@pytest.mark.thorough
@pytest.mark.parametrize("packing", ["prefix_tree", "padded"])
@pytest.mark.parametrize("micro", [1, 2, 4])
def test_the_evaluation_loss_is_the_mean_over_tokens(
    packing: str, micro: int, tiny: Path, tmp_path: Path
) -> None:
    """Rows of different lengths, the last batch smaller: batches must not weigh the same."""
    loaded = recipe(tiny, train={"batch_size": micro, "micro_batch_size": micro, "packing": packing})
    trainer = build_trainer(loaded, *open_run(loaded), tmp_path)
    losses: list[float] = []
    for row in trainer.eval_dataset:
        ids, labels, mask = padded([row], 0)
        with torch.no_grad():
            logits = trainer.model.eval()(input_ids=ids, attention_mask=mask).logits[0, :-1]
        each = functional.cross_entropy(logits, labels[0, 1:], reduction="none", ignore_index=-100)
        losses += each[labels[0, 1:] != -100].tolist()
    assert trainer.evaluate()["eval_loss"] == pytest.approx(sum(losses) / len(losses), rel=rounding())


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(name, marks=() if name == "dora" else pytest.mark.thorough)
        for name in variant_names()
        if not variant_named(name).refused
    ],
)
def test_variants_train_on_nf4_and_pass_the_load_gate(variant: str, tiny: Path, tmp_path: Path) -> None:
    loaded = short(tiny, **NF4, lora={"variant": variant, "rank": 4, "alpha": 8})
    base, data = open_run(loaded)
    trained = train(loaded, data, base, tmp_path, resume=False)
    assert trained.metrics["held_out_loss"] < trained.metrics["base_loss"] - 0.05
    spec = check_adapter(trained.folder, base.linear_shapes)
    check_values(trained.folder)
    assert set(spec.modules) == set(base.linear_shapes)
    assert (spec.use_rslora, spec.use_dora) == (variant == "rslora", variant == "dora")
    assert spec.scaling == (4.0 if variant == "rslora" else 2.0)


def test_loftq_starts_nearer_to_the_full_weights(tiny: Path, tmp_path: Path) -> None:
    """Every layer's NF4 weight plus B A * scaling, against the best possible of this rank."""
    loaded = short(tiny, **NF4, lora={"variant": "loftq", "rank": 8, "alpha": 32})
    base, data = open_run(loaded)
    full = load_file(base.folder / "model.safetensors")
    rounded = {name: dense_weight(base.model.get_submodule(name)) for name in base.linear_shapes}
    trainer = build.build_trainer(loaded.recipe, data, base, tmp_path, ProgressCallback("test"))
    start = get_peft_model_state_dict(trainer.model)
    for name, weight in rounded.items():
        key = f"base_model.model.{name}"
        update = 4 * start[f"{key}.lora_B.weight"].float() @ start[f"{key}.lora_A.weight"].float()
        lost = full[f"{name}.weight"] - weight
        best = float(torch.linalg.svdvals(lost)[8:].norm())
        assert float((lost - update).norm()) == pytest.approx(best, rel=0.02), name
        assert best < 0.95 * lost.norm()


@pytest.mark.thorough
def test_the_base_loss_is_that_of_the_base_alone(tiny: Path, tmp_path: Path) -> None:
    """LoftQ starts elsewhere; that must not count as the base."""
    losses = {}
    for variant in ("plain", "loftq"):
        loaded = short(tiny, **NF4, lora={"variant": variant, "rank": 8, "alpha": 32})
        base, data = open_run(loaded)
        data = replace(data, train=data.train[:4])
        losses[variant] = train(loaded, data, base, tmp_path / variant, resume=False).metrics["base_loss"]
    assert losses["plain"] == losses["loftq"]


def test_loraplus_teaches_b_faster(tiny: Path, tmp_path: Path) -> None:
    loaded = recipe(tiny, lora={"variant": "loraplus", "b_learning_rate_ratio": 8.0})
    trainer = build_trainer(loaded, *open_run(loaded), tmp_path)
    optimizer = trainer.create_optimizer()
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            assert rates[id(parameter)] == pytest.approx(5e-3 * (8 if "lora_B" in name else 1)), name


def test_pissa_is_refused(tiny: Path) -> None:
    (problem,) = variant_problems(recipe(tiny, **NF4, lora={"variant": "pissa"}).recipe, "recipe.yaml:3")
    assert "pissa cannot be used" in problem.what
    assert "loftq" in (problem.fix or "")


@pytest.mark.thorough
def test_all_linear_means_the_text_decoder(tmp_path: Path) -> None:
    """The vision tower has q_proj too; it gets no LoRA and the gate agrees."""
    loaded = short(make_base(tmp_path / "base", "gemma3", "gemma3"), lora={"rank": 2, "alpha": 4})
    base, data = open_run(loaded)
    trained = train(loaded, data, base, tmp_path / "run", resume=False)
    assert check_adapter(trained.folder, base.linear_shapes).modules == tuple(sorted(base.linear_shapes))
    assert not any("vision" in name for name in load_file(trained.folder / WEIGHTS))


def test_unknown_layers_are_named(tiny: Path, tmp_path: Path) -> None:
    loaded = short(tiny, lora={"target_modules": ["q_proj", "k_prj"]})
    base, data = open_run(loaded)
    with pytest.raises(TrainingError, match="k_prj") as caught:
        train(loaded, data, base, tmp_path, resume=False)
    assert "k_proj" in str(caught.value)


@pytest.mark.thorough
def test_overlong_rows_are_an_error_or_counted(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = dataset()
    long = example(99).model_copy(update={"text": "Dark roast. " * 60})
    rows = Dataset([*rows.train, long], [*rows.validation, long.model_copy(update={"id": "late"})], 0)
    limit = {"train": "texts.jsonl", "max_length": 256}
    loaded = short(tiny, data=limit)
    base = load_base(loaded.recipe.base)
    with pytest.raises(DataError, match="2 rows are longer than") as caught:
        render_dataset(rows, loaded, base)
    assert "row row-99 has" in str(caught.value)
    placed = Dataset([*rows.train[:-1], long.placed("texts.jsonl:31")], rows.validation, 0)
    with pytest.raises(DataError, match=r"^texts\.jsonl:31: 2 rows are longer than"):
        render_dataset(placed, loaded, base)
    loaded = short(tiny, data=limit | {"overlong": "drop"})
    rendered = render_dataset(rows, loaded, base)
    assert rendered.sizes() == {"train_rows": 24, "validation_rows": 5, "overlong_dropped": 2}
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of 25 training rows and 1 of 6 held-out ones dropped: longer than data.max_length" in said
    assert [row.id for row in rendered.train] == [row.id for row in dataset().train]
    assert max(len(row.input_ids) for row in (*rendered.train, *rendered.validation)) <= 256
    assert train(loaded, rendered, base, tmp_path, resume=False).metrics["overlong_dropped"] == 2
    with pytest.raises(DataError, match="every row is longer"):
        render_dataset(rows, short(tiny, data=limit | {"max_length": 9, "overlong": "drop"}), base)


def test_a_spent_budget_stops_with_a_checkpoint(tiny: Path, tmp_path: Path) -> None:
    loaded = recipe(tiny, budget={"minutes": 1e-6}, eval={"per_epoch": 1})
    base, data = open_run(loaded)
    trained = train(loaded, data, base, tmp_path, resume=False)
    assert trained.metrics["steps"] == trained.metrics["best_step"] == 1
    assert CheckpointVault(tmp_path / "checkpoints").damage(1) is None
    assert recipe(tiny).recipe.budget.minutes is None


@pytest.mark.thorough
def test_nothing_is_sent_and_nothing_but_the_run_is_written(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No telemetry, no connection, no model card of TRL's, no files beside the run."""
    import socket

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("something was sent")

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.chdir(tmp_path)
    loaded = short(tiny)
    base, data = open_run(loaded)
    train(loaded, data, base, tmp_path / "run", resume=False)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "adapter",
        "checkpoints",
        "base_loss.json",
    }
    adapter = {path.name for path in (tmp_path / "run" / "adapter").iterdir()}
    assert adapter == {"adapter_config.json", WEIGHTS}
    for path in (tmp_path / "run" / "adapter").iterdir():
        assert str(tmp_path.parent).encode() not in path.read_bytes(), f"{path.name} names a folder here"


def test_rows_without_a_shared_beginning_and_of_one_token(tiny: Path, tmp_path: Path) -> None:
    """The trees that share nothing, everything, and have one row."""
    loaded = recipe(tiny, train={"batch_size": 3, "micro_batch_size": 3, "epochs": 1.0})
    base, data = open_run(loaded)
    first = data.train[0]
    apart = Rendered("apart", (5, 9, 7), 1)
    odd = [first, first, first, first, apart, Rendered("two", (8, 6), 1), apart]
    trained = train(loaded, replace(data, train=odd), base, tmp_path, resume=False)
    assert trained.metrics["steps"] == 3
