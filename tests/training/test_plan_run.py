"""The plan against real models: parameters, what autograd keeps, and the micro-batch that training takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Params4bit
from peft import get_peft_model
from torch.profiler import ProfilerActivity, profile
from typer.testing import CliRunner

from lora_marketing.bases.catalogue import load_catalogue
from lora_marketing.bases.locate import prompt_settings
from lora_marketing.cli.app import app
from lora_marketing.common.errors import TrainingError
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.planning.batches import as_tree, micro_batch
from lora_marketing.planning.memory import Workload, activations, logits, lora_parameters, memory, weights
from lora_marketing.planning.shape import shape_of
from lora_marketing.tokens.chat_template import open_chat_tokenizer
from lora_marketing.tokens.pinned_template import PromptSettings
from lora_marketing.tokens.render import render_example
from lora_marketing.training.build import lora_config, trl_config
from lora_marketing.training.calibrate import calibrate
from lora_marketing.training.plan_run import plan_run
from lora_marketing.training.train import train
from tests.making import write_world
from tests.training.making import BRAND, build_trainer, dataset, make_base, open_run, recipe

FAMILIES = {"llama": "smollm2", "qwen3": "qwen3", "gemma3": "gemma3", "mistral": "mistral"}
WHOLE = {"batch_size": 24, "micro_batch_size": 24}
ENTRIES = load_catalogue().entries.values()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    root = tmp_path_factory.mktemp("bases")
    return {name: make_base(root / name, name, template) for name, template in FAMILIES.items()}


def prompt_keys(family: str) -> dict[str, Any]:
    entry = next(entry for entry in ENTRIES if entry.template == FAMILIES[family])
    return {"template_arguments": dict(entry.template_arguments), "system_turn": entry.system_turn}


def quantized(folder: Path, family: str, **sections: Any) -> Any:
    return recipe(folder, quantization="nf4", dtype="bfloat16", **prompt_keys(family), **sections)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plan_reads_the_same_tokens_from_the_files(family: str, folders: Mapping[str, Path]) -> None:
    loaded = recipe(folders[family], **prompt_keys(family))
    base = load_base(loaded.recipe.base)
    speaker = open_chat_tokenizer(folders[family], prompt_settings(loaded.recipe.base))
    assert speaker is not None
    assert speaker.stop_ids == base.stop_ids
    for row in dataset(8, 1).train:
        row = row.model_copy(update={"text": f"{row.text} 夜班 🙂  two\n\nlines"})
        assert render_example(row, BRAND, speaker) == render_example(row, BRAND, base)


def test_a_folder_without_a_tokenizer_has_no_speaker(tmp_path: Path) -> None:
    assert open_chat_tokenizer(tmp_path, PromptSettings()) is None


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_are_counted_as_the_model_has_them(family: str, folders: Mapping[str, Path]) -> None:
    loaded = quantized(folders[family], family)
    base = load_base(loaded.recipe.base)
    shape = shape_of(base.model.config.to_dict(), base.model.config.model_type)
    packed = kept = 0
    for parameter in base.model.parameters():
        if isinstance(parameter, Params4bit):
            state = parameter.quant_state
            packed += parameter.nbytes + state.absmax.nbytes + state.state2.absmax.nbytes
        else:
            kept += parameter.nbytes
    assert weights(shape, loaded.recipe) == (pytest.approx(packed, rel=0.01), kept)
    adapted = get_peft_model(base.model, lora_config(loaded.recipe, base))
    assert lora_parameters(shape, loaded.recipe) == adapted.get_nb_trainable_parameters()[0]


def kept_by_autograd(loaded: Any, base: LoadedBase, rows: Any, run: Path) -> int:
    """Bytes of the distinct tensors that one forward saves, without those of the model itself."""
    trainer = build_trainer(loaded, base, rows, run)
    model = trainer.accelerator.prepare_model(trainer.model.train())  # as a run does: autocast
    batch = trainer.data_collator([{"input_ids": r.input_ids, "labels": r.labels} for r in rows.train])
    given = [value for value in batch.values() if isinstance(value, torch.Tensor)]
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers(), *given)}
    found: dict[int, Any] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own and not isinstance(tensor, Params4bit):
            found[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x), trainer.compute_loss_context_manager():
        trainer.compute_loss(model, batch)
    return sum(storage.nbytes() for storage in found.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_activations_are_what_autograd_keeps(
    family: str, folders: Mapping[str, Path], tmp_path: Path
) -> None:
    loaded = quantized(folders[family], family, train=WHOLE)
    base, rows = open_run(loaded)
    shape = shape_of(base.model.config.to_dict(), base.model.config.model_type)
    batch = as_tree(rows.train)
    planned = activations(shape, loaded.recipe, batch)[0]
    head = logits(shape, loaded.recipe, batch, backward=True) / 5
    assert planned + head == pytest.approx(kept_by_autograd(loaded, base, rows, tmp_path), rel=0.05)


def allocated_peak(loaded: Any, base: LoadedBase, rows: Any, run: Path) -> int:
    """The most that one step allocates beyond what the model holds, by the profiler's events."""
    trainer = build_trainer(loaded, base, rows, run)
    model = trainer.accelerator.prepare_model(trainer.model.train())  # as a run does: autocast
    if loaded.recipe.train.activation_checkpointing:
        model.activation_checkpointing_enable()
    batch = trainer.data_collator([{"input_ids": r.input_ids, "labels": r.labels} for r in rows.train])
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        with trainer.compute_loss_context_manager():
            loss = trainer.compute_loss(model, batch)
        loss.backward()
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"train": {"activation_checkpointing": True}},
        {"train": {"packing": "padded"}},
        {"lora": {"variant": "dora"}},
        {"lora": {"target_modules": ["q_proj", "v_proj"]}},
        {"quantization": "none"},
        {"dtype": "float32"},
    ],
    ids=str,
)
def test_a_step_allocates_what_is_planned(tiny: Path, tmp_path: Path, sections: dict[str, Any]) -> None:
    train = {**WHOLE, **sections.get("train", {})}
    loaded = recipe(tiny, **{"quantization": "nf4", "dtype": "bfloat16", **sections, "train": train})
    base, rows = open_run(loaded)
    shape = shape_of(base.model.config.to_dict(), base.model.config.model_type)
    tree = loaded.recipe.train.packing == "prefix_tree"
    batch = micro_batch(rows.train, tree=tree)
    found = memory(shape, loaded.recipe, Workload(batch, batch, 0, 0), "cpu")
    resident = found.nf4 + found.unquantized + found.lora + found.optimizer
    assert found.training - resident == pytest.approx(allocated_peak(loaded, base, rows, tmp_path), rel=0.1)


def test_training_takes_the_micro_batch_that_the_plan_picks(tiny: Path, tmp_path: Path) -> None:
    loaded = recipe(tiny, train={"batch_size": 8, "micro_batch_size": None, "epochs": 1.0})
    base, data = open_run(loaded)
    plan = plan_run(loaded.recipe, data.train, data.validation, base)
    assert plan.recipe.train.micro_batch_size == 8
    config = trl_config(plan.recipe, len(data.train), tmp_path)
    assert (config.per_device_train_batch_size, config.gradient_accumulation_steps) == (8, 1)
    metrics = train(loaded, data, base, tmp_path / "run", resume=False).metrics
    assert metrics["micro_batch_size"] == 8
    assert metrics["predicted_memory_gib"] == pytest.approx(plan.predicted_gib, abs=0.01)


def test_a_run_that_does_not_fit_is_refused_before_it_writes_anything(tiny: Path, tmp_path: Path) -> None:
    loaded = recipe(tiny, budget={"memory_gib": 0.01})
    base, data = open_run(loaded)
    with pytest.raises(TrainingError, match="does not fit in memory"):
        train(loaded, data, base, tmp_path / "run", resume=False)
    assert not (tmp_path / "run").exists()


def test_calibration_runs_the_two_worst_steps(tiny: Path) -> None:
    loaded = recipe(tiny, train={"batch_size": 8, "micro_batch_size": None, "report_to": []})
    base, data = open_run(loaded)
    found = calibrate(loaded, data, base)
    assert found.micro_batch_size == 8
    assert found.measured_gib > 0
    assert found.predicted_gib > 0
    assert found.tokens_per_second > found.computed_per_second > 0


def test_plan_calibrates_from_the_command_line(tiny: Path, tmp_path: Path) -> None:
    path = write_world(tmp_path)
    sets = [f"base.id={tiny}", "data.max_length=8192", "train.micro_batch_size=4"]
    overrides = [part for one in sets for part in ("--set", one)]
    found = CliRunner().invoke(app, ["plan", str(path), *overrides, "--calibrate"])
    assert found.exception is None, found.exception
    assert "tokens are an estimate" not in found.stdout
    assert re.search(
        r"two worst steps: predicted [\d.]+ GiB, measured [\d.]+ GiB \([+-]\d+%\);", found.stdout
    )
