"""Every key that `train.extra` lets through is applied, or proven to change nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.common.errors import LoraMarketingError, TrainingError
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.recipe.extra import ALLOWED, ALLOWED_IN_DPO, PADDED_ONLY
from lora_marketing.registry.files import WEIGHTS
from lora_marketing.training.build import build_trainer
from lora_marketing.training.progress import ProgressCallback
from lora_marketing.training.rendering import render_dataset
from lora_marketing.training.train import train
from tests.training.making import dataset, open_run, recipe
from tests.training.test_preference import pairs, preferring

APPLIED: Mapping[str, Any] = {
    "adam_beta1": 0.5,
    "adam_beta2": 0.5,
    "adam_epsilon": 0.1,
    "data_seed": 99,
    "dataloader_drop_last": True,
    "lr_scheduler_kwargs": {"num_cycles": 2.0},
    "neftune_noise_alpha": 50.0,
    "optim_args": "momentum=0.9",
    "train_sampling_strategy": "sequential",
}
NEUTRAL: Mapping[str, Any] = {
    "average_tokens_across_devices": False,
    "dataloader_num_workers": 1,
    "dataloader_persistent_workers": True,
    "dataloader_prefetch_factor": 3,
    "torch_empty_cache_steps": 1,
}
PADDED: Mapping[str, Any] = {
    "label_smoothing_factor": 0.3,
    "loss_type": "dft",
}
WIDTH = "pad_to_multiple_of"
"""It is seen in the batches alone: padding changes no loss."""
PREFERENCE: Mapping[str, Mapping[str, Any]] = {
    "discopop_tau": {"loss_type": ["discopop"], "discopop_tau": 5.0},
    "f_alpha_divergence_coef": {"f_divergence_type": "alpha_divergence", "f_alpha_divergence_coef": 0.9},
    "f_divergence_type": {"f_divergence_type": "forward_kl"},
    "label_smoothing": {"loss_type": ["robust"], "label_smoothing": 0.4},
    "ld_alpha": {"ld_alpha": 0.1},
    "loss_type": {"loss_type": ["hinge", "sft"]},
    "loss_weights": {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 9.0]},
    "use_weighting": {"use_weighting": True},
}
BESIDE: Mapping[str, Mapping[str, Any]] = {"optim_args": {"optimizer": "sgd"}}
"""What a key needs beside it."""
Adapter = Callable[..., bytes]


def test_every_key_that_is_allowed_is_tested() -> None:
    assert APPLIED.keys() | NEUTRAL.keys() == ALLOWED.keys()
    assert PADDED.keys() | {WIDTH} == PADDED_ONLY.keys()
    assert PREFERENCE.keys() | ALLOWED.keys() == ALLOWED_IN_DPO.keys()


@pytest.fixture(scope="module")
def adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Adapter:
    """The bytes of what two to four short steps make, computed once for equal settings."""
    bases: dict[str, LoadedBase] = {}
    made: dict[str, bytes] = {}

    def trained(method: str = "sft", extra: Mapping[str, Any] | None = None, **settings: Any) -> bytes:
        key = repr((method, extra, sorted(settings.items())))
        if key not in made:
            steps = {"epochs": 1.0, "batch_size": 4, "micro_batch_size": 2, "warmup_fraction": 0.0}
            section = {**steps, "learning_rate": 5e-3, **settings, "extra": dict(extra or {})}
            loaded = (preferring if method == "dpo" else recipe)(tiny, train=section, eval={"per_epoch": 1})
            if not bases:
                bases["tiny"] = load_base(loaded.recipe.base)
            data = pairs(9, 2) if method == "dpo" else dataset(11, 2)
            rendered = render_dataset(data, loaded, bases["tiny"])
            folder = tmp_path_factory.mktemp("run")
            ended = train(loaded, rendered, bases["tiny"], folder, resume=False)
            made[key] = (ended.folder / WEIGHTS).read_bytes()
        return made[key]

    return trained


@pytest.mark.thorough
@pytest.mark.parametrize("packing", ["prefix_tree", "padded"])
@pytest.mark.parametrize("name", APPLIED)
def test_what_is_applied_changes_the_adapter(name: str, packing: str, adapter: Adapter) -> None:
    beside = {"packing": packing, **BESIDE.get(name, {})}
    plain = adapter(**beside)
    assert adapter(extra={name: APPLIED[name]}, **beside) != plain


@pytest.mark.thorough
@pytest.mark.parametrize("packing", ["prefix_tree", "padded"])
def test_what_is_neutral_changes_no_byte(packing: str, adapter: Adapter) -> None:
    assert adapter(extra=NEUTRAL, packing=packing) == adapter(packing=packing)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:`label_smoothing_factor` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", PADDED)
def test_what_padded_batches_follow_changes_the_adapter(name: str, adapter: Adapter) -> None:
    assert adapter(extra={name: PADDED[name]}, packing="padded") != adapter(packing="padded")


@pytest.mark.thorough
@pytest.mark.parametrize("packing", ["prefix_tree", "padded"])
def test_rows_may_be_grouped_by_length(packing: str, adapter: Adapter) -> None:
    grouped = adapter(extra={"train_sampling_strategy": "group_by_length"}, packing=packing)
    assert grouped != adapter(packing=packing)


def test_padding_is_as_wide_as_it_is_told(tiny: Path, tmp_path: Path) -> None:
    widths = {}
    for extra in ({}, {WIDTH: 50}):
        loaded = recipe(tiny, train={"packing": "padded", "extra": extra})
        base, data = open_run(loaded)
        trainer = build_trainer(loaded.recipe, data, base, tmp_path, ProgressCallback("test"))
        batch = next(iter(trainer.get_train_dataloader()))
        widths[len(extra)] = batch["input_ids"].shape[1]
    assert widths[1] % 50 == 0
    assert widths[0] % 50


@pytest.mark.thorough
@pytest.mark.parametrize("name", PREFERENCE)
def test_what_preference_training_follows_changes_the_adapter(name: str, adapter: Adapter) -> None:
    needed = {key: value for key, value in PREFERENCE[name].items() if key != name}
    assert adapter("dpo", extra=PREFERENCE[name]) != adapter("dpo", extra=needed)


@pytest.mark.thorough
@pytest.mark.parametrize("name", APPLIED)
def test_preference_training_follows_what_all_methods_do(name: str, adapter: Adapter) -> None:
    beside = BESIDE.get(name, {})
    assert adapter("dpo", extra={name: APPLIED[name]}, **beside) != adapter("dpo", **beside)


@pytest.mark.thorough
def test_preference_training_ends_alike_with_what_is_neutral(adapter: Adapter) -> None:
    assert adapter("dpo", extra=NEUTRAL) == adapter("dpo")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("extra", "settings", "told"),
    [
        (
            {"optim_args": "momentum=0.9"},
            {},
            "optim_args would do nothing\n    got: train.optimizer: adamw_torch",
        ),
        ({"adam_beta1": 0.5}, {"optimizer": "sgd"}, "adam_beta1 would do nothing"),
        ({"adam_beta1": 7.0}, {}, "adam_beta1"),
        ({"lr_scheduler_kwargs": {"nothing": 1}}, {}, "lr_scheduler_kwargs"),
        ({"dataloader_prefetch_factor": 3}, {}, "dataloader_prefetch_factor"),
        ({"loss_type": "nothing"}, {"packing": "padded"}, "loss_type"),
        ({"optim_args": "momentum"}, {"optimizer": "sgd"}, "optim_args"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_of_the_run(
    extra: Mapping[str, Any], settings: Mapping[str, Any], told: str, adapter: Adapter
) -> None:
    with pytest.raises(LoraMarketingError, match=told) as caught:
        adapter(extra=extra, **settings)
    assert isinstance(caught.value, TrainingError)
