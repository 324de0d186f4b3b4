"""Loss and gradients on a prefix tree equal those of the padded batch, for every architecture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import LlamaConfig, MistralConfig, Phi3Config, Qwen3Config

from lora_marketing.planning.packing import tree_refusal
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.tokens.prefix_tree import TREE_MODEL_TYPES
from lora_marketing.training.collate import TreeCollator
from lora_marketing.training.progress import LogPoint
from lora_marketing.training.train import train
from tests.closeness import close, rounding
from tests.training.making import (
    build_trainer,
    lora_gradients,
    make_base,
    open_run,
    padded,
    recipe,
)

TEMPLATES = {
    "llama": "smollm2",
    "qwen3": "qwen3_instruct_2507",
    "smollm3": "smollm3",
    "mistral": "mistral",
    "gemma3_text": "gemma3",
    "gemma3": "gemma3",
}


def test_every_architecture_trained_on_trees_is_tested() -> None:
    assert set(TEMPLATES) == TREE_MODEL_TYPES


def slow_loss_and_gradients(
    trainer: Any, rows: list[dict[str, Any]]
) -> tuple[float, dict[str, torch.Tensor]]:
    """Plain transformers forward of the padded batch: mean over the labels of the whole batch."""
    ids, labels, mask = padded(rows, trainer.processing_class.pad_token_id)
    trainer.model.get_base_model().set_attn_implementation("sdpa")
    model = trainer.model.eval()  # without dropout the same as train(), and Gemma asks for no image mask
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    loss.backward()
    return loss.item(), lora_gradients(model)


def step_loss_and_gradients(
    trainer: Any, rows: list[dict[str, Any]]
) -> tuple[float, dict[str, torch.Tensor]]:
    """What one optimizer step sees: micro-batches counted and computed as in Trainer's own loop."""
    micro = trainer.args.per_device_train_batch_size
    batches = [trainer.data_collator(rows[start : start + micro]) for start in range(0, len(rows), micro)]
    samples, count = trainer.get_batch_samples(iter(batches), len(batches), torch.device("cpu"))
    trainer.current_gradient_accumulation_steps = len(samples)
    loss = sum(trainer.training_step(trainer.model, batch, count).item() for batch in samples)
    return loss, lora_gradients(trainer.model)


def assert_same(found: tuple[float, dict[str, Any]], wanted: tuple[float, dict[str, Any]]) -> None:
    assert found[0] == pytest.approx(wanted[0], rel=rounding())
    assert found[1].keys() == wanted[1].keys()
    for name, gradient in wanted[1].items():
        close(found[1][name], gradient, name)


def slide_on_half_the_layers(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config |= {
        "use_sliding_window": True,
        "sliding_window": 48,
        "max_window_layers": 1,
        "layer_types": ["full_attention", "sliding_attention"],
    }
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("model_type", "window"),
    [*((model_type, False) for model_type in sorted(TEMPLATES)), ("qwen3", True), ("smollm3", True)],
)
def test_tree_equals_padded_batch(model_type: str, window: bool, tmp_path: Path) -> None:
    """Rows are about three windows long, so that sliding layers forget the system prompt.

    Gemma always slides; Qwen3 and SmolLM3 do with `window`; the others have no sliding layers.
    """
    folder = make_base(tmp_path / "base", model_type, TEMPLATES[model_type])
    if window:
        slide_on_half_the_layers(folder)
    loaded = recipe(folder, system_turn="in_user", train={"batch_size": 6, "micro_batch_size": 6})
    base, data = open_run(loaded)
    text = base.model.config.get_text_config()
    slides = "sliding_attention" in (getattr(text, "layer_types", None) or ())
    assert slides == (window or model_type.startswith("gemma3"))
    trainer = build_trainer(loaded, base, data, tmp_path / "run")
    assert isinstance(trainer.data_collator, TreeCollator)
    rows = [trainer.train_dataset[index] for index in (0, 7, 7, 3, 12, 9)]
    if slides:
        assert min(len(row["input_ids"]) for row in rows) > 2 * text.sliding_window
    assert_same(step_loss_and_gradients(trainer, rows), slow_loss_and_gradients(trainer, rows))


def test_micro_batches_add_up_to_the_batch(tiny: Path, tmp_path: Path) -> None:
    """Short and long answers in uneven micro-batches: every token of the step weighs the same."""
    loaded = recipe(tiny, train={"batch_size": 6, "micro_batch_size": 2})
    trainer = build_trainer(loaded, *open_run(loaded), tmp_path)
    rows = sorted(trainer.train_dataset, key=lambda row: sum(label != -100 for label in row["labels"]))
    rows = [*rows[:2], *rows[-3:]]  # the last micro-batch has one row
    assert_same(step_loss_and_gradients(trainer, rows), slow_loss_and_gradients(trainer, rows))


@pytest.mark.parametrize("packing", ["prefix_tree", "padded"])
def test_gemma_with_eyes_counts_the_tokens_of_the_whole_step(packing: str, tmp_path: Path) -> None:
    """transformers says that it takes no loss arguments, and so counts nothing for it."""
    folder = make_base(tmp_path / "base", "gemma3", "gemma3")
    loaded = recipe(folder, train={"batch_size": 4, "micro_batch_size": 1, "packing": packing})
    trainer = build_trainer(loaded, *open_run(loaded), tmp_path / "run")
    rows = [trainer.train_dataset[index] for index in range(4)]
    assert_same(step_loss_and_gradients(trainer, rows), slow_loss_and_gradients(trainer, rows))


def run_curve(loaded: LoadedRecipe, run: Path) -> list[LogPoint]:
    base, data = open_run(loaded)
    return list(train(loaded, data, base, run, resume=False).points)


def assert_same_curve(found: list[LogPoint], wanted: list[LogPoint]) -> None:
    for mine, other in zip(found, wanted, strict=True):
        assert mine.step == other.step
        for loss, wanted_loss in ((mine.loss, other.loss), (mine.eval_loss, other.eval_loss)):
            assert loss == (wanted_loss and pytest.approx(wanted_loss, rel=rounding()))


@pytest.mark.thorough
def test_a_whole_run_on_trees_equals_one_on_padded_batches(tiny: Path, tmp_path: Path) -> None:
    """30 steps, same seed, no dropout, two micro-batches a step: every logged loss is the same."""
    on_trees, on_padded = (
        run_curve(
            recipe(tiny, train={"epochs": 5.0, "packing": packing}, eval={"per_epoch": 1}), tmp_path / packing
        )
        for packing in ("prefix_tree", "padded")
    )
    assert on_padded[-1].step == 30
    assert_same_curve(on_trees, on_padded)
    first, last = on_padded[1].loss, on_padded[-2].loss
    assert first is not None
    assert last is not None
    assert last < first - 0.2, "the run learned something"


@pytest.mark.thorough
def test_activation_checkpointing_changes_nothing(tiny: Path, tmp_path: Path) -> None:
    plain = run_curve(recipe(tiny, train={"epochs": 1.0}), tmp_path / "plain")
    spared = run_curve(
        recipe(tiny, train={"epochs": 1.0, "activation_checkpointing": True}), tmp_path / "spared"
    )
    assert_same_curve(spared, plain)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (Phi3Config(), "not among the architectures"),
        (MistralConfig(sliding_window=4096), "sliding window on all layers"),
        (
            Qwen3Config(num_hidden_layers=2, layer_types=["linear_attention", "full_attention"]),
            "carry state along the sequence",
        ),
    ],
)
def test_architectures_a_tree_would_change_are_refused(config: Any, why: str) -> None:
    assert why in (tree_refusal(config.to_dict()) or "")
    assert tree_refusal(LlamaConfig().to_dict()) is None


def test_a_refused_architecture_trains_on_padded_batches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_base(tmp_path / "base", "mistral", "mistral")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"sliding_window": 64}))
    loaded = recipe(folder, system_turn="in_user", train={"batch_size": 6, "micro_batch_size": 6})
    trainer = build_trainer(loaded, *open_run(loaded), tmp_path / "run")
    assert "a sliding window on all layers" in capsys.readouterr().err
    rows = [trainer.train_dataset[index] for index in range(6)]
    assert_same(step_loss_and_gradients(trainer, rows), slow_loss_and_gradients(trainer, rows))
