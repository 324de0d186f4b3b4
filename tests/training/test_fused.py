"""Micro-batches of several brands in one forward: each has the loss and gradients it has alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lora_marketing.engine.base import LoadedBase
from lora_marketing.training.fused import FusedStep, MicroBatch, fusing_refusal
from lora_marketing.training.trainer import BrandTrainer
from tests.training.making import build_trainer, lora_gradients, make_base, open_run, recipe
from tests.training.test_exactness import (
    TEMPLATES,
    assert_same,
    slide_on_half_the_layers,
    slow_loss_and_gradients,
)

ROWS = ((0, 7, 7, 3, 12, 9), (5,), (20, 21, 22))
"""Of three brands: trees of very different sizes."""


SIX_ROWS = {"batch_size": 6, "micro_batch_size": 6}


def trainers_of(base: Path, folder: Path, **sections: Any) -> tuple[list[BrandTrainer], LoadedBase]:
    """Three brands on one base, with LoRA of three ranks and scalings, one of them on q and v only."""
    loras = (
        {"rank": 4, "alpha": 8},
        {"rank": 8, "alpha": 8, "variant": "rslora"},
        {"rank": 2, "alpha": 8, "target_modules": ["q_proj", "v_proj"]},
    )
    recipes = [recipe(base, system_turn="in_user", lora=lora, train=SIX_ROWS) for lora in loras]
    loaded, data = open_run(recipes[0])
    return [
        build_trainer(one, loaded.with_modules_of_its_own(), data, folder / str(number))
        for number, one in enumerate(recipes)
    ], loaded


def rows_of(trainers: list[BrandTrainer]) -> list[list[dict[str, Any]]]:
    return [
        [trainer.train_dataset[index] for index in own] for trainer, own in zip(trainers, ROWS, strict=True)
    ]


def micro_batch(trainer: BrandTrainer, rows: list[dict[str, Any]]) -> MicroBatch:
    trainer.model.train()
    inputs = trainer.data_collator(rows)
    return MicroBatch(trainer, inputs, inputs["shift_labels"].numel())


@pytest.mark.parametrize(
    ("model_type", "window"),
    [
        *(
            pytest.param(name, False, marks=() if name in ("llama", "gemma3") else pytest.mark.thorough)
            for name in sorted(TEMPLATES)
        ),
        ("qwen3", True),
    ],
)
def test_every_brand_has_the_loss_and_gradients_of_its_own_padded_batch(
    model_type: str, window: bool, tmp_path: Path
) -> None:
    folder = make_base(tmp_path / "base", model_type, TEMPLATES[model_type])
    if window:
        slide_on_half_the_layers(folder)
    trainers, base = trainers_of(folder, tmp_path)
    step = FusedStep(base, activation_checkpointing=False)
    rows = rows_of(trainers)
    losses = step([micro_batch(*one) for one in zip(trainers, rows, strict=True)])
    for trainer, own, loss in zip(trainers, rows, losses, strict=True):
        found = loss.item(), lora_gradients(trainer.model)
        assert_same(found, slow_loss_and_gradients(trainer, own))


def test_activation_checkpointing_changes_nothing(tiny: Path, tmp_path: Path) -> None:
    trainers, base = trainers_of(tiny, tmp_path)
    batches = [micro_batch(*one) for one in zip(trainers, rows_of(trainers), strict=True)]
    for spared in (True, False):
        FusedStep(base, activation_checkpointing=spared)(batches)
    for trainer in trainers:
        for name, twice in lora_gradients(trainer.model).items():
            assert twice.abs().max() > 0, name
    once = FusedStep(base, activation_checkpointing=False)(batches)
    plain = [lora_gradients(trainer.model) for trainer in trainers]
    again = FusedStep(base, activation_checkpointing=True)(batches)
    for trainer, wanted, mine, other in zip(trainers, plain, again, once, strict=True):
        assert_same((mine.item(), lora_gradients(trainer.model)), (other.item(), wanted))


def test_nan_in_one_brand_reaches_no_other(tiny: Path, tmp_path: Path) -> None:
    trainers, base = trainers_of(tiny, tmp_path)
    batches = [micro_batch(*one) for one in zip(trainers, rows_of(trainers), strict=True)]
    step = FusedStep(base, activation_checkpointing=False)
    step(batches)
    healthy = [lora_gradients(trainer.model) for trainer in trainers]
    with torch.no_grad():
        next(p for name, p in trainers[0].model.named_parameters() if "lora_B" in name).fill_(torch.nan)
    losses = step(batches)
    assert [bool(loss.isfinite()) for loss in losses] == [False, True, True]
    for trainer, wanted in zip(trainers[1:], healthy[1:], strict=True):
        for name, gradient in lora_gradients(trainer.model).items():
            assert torch.equal(gradient, wanted[name]), name


def test_on_nf4_each_brand_differs_from_alone_by_rounding_only(tiny: Path, tmp_path: Path) -> None:
    """bfloat16 keeps 8 bits: gradients within two per cent of the largest, losses within a thousandth."""
    nf4 = recipe(tiny, quantization="nf4", dtype="bfloat16", train={"batch_size": 6, "micro_batch_size": 6})
    base, data = open_run(nf4)
    trainers = [
        build_trainer(nf4, base.with_modules_of_its_own(), data, tmp_path / str(number))
        for number in range(3)
    ]
    batches = [micro_batch(*one) for one in zip(trainers, rows_of(trainers), strict=True)]
    losses = FusedStep(base, activation_checkpointing=False)(batches)
    together = [lora_gradients(trainer.model) for trainer in trainers]
    for batch, loss, found in zip(batches, losses, together, strict=True):
        alone = batch.trainer.training_step(batch.trainer.model, dict(batch.inputs), batch.count)
        assert loss.item() == pytest.approx(alone.item(), rel=1e-3)
        wanted = lora_gradients(batch.trainer.model)
        largest = max(float(gradient.abs().max()) for gradient in wanted.values())
        assert max(float((found[name] - wanted[name]).abs().max()) for name in wanted) < 0.02 * largest


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"train": {"packing": "padded"}}, "not prefix_tree"),
        ({"lora": {"dropout": 0.1}}, "dropout"),
        ({"lora": {"variant": "dora"}}, "DoRA"),
        ({"dtype": "float16"}, "loss scale"),
        ({"train": {"extra": {"neftune_noise_alpha": 5}}}, "extra"),
        ({"train": {"report_to": ["tensorboard", "mlflow"]}}, "tracker"),
        ({"train": {"report_to": ["tensorboard"]}}, None),
    ],
)
def test_what_cannot_be_fused_says_why(changes: dict[str, Any], why: str | None, tiny: Path) -> None:
    base, _ = open_run(recipe(tiny))
    refusal = fusing_refusal(recipe(tiny, **changes).recipe, base)
    assert refusal is None if why is None else why in str(refusal)
