"""A run that was killed and resumed ends with the same bytes as one that was left alone."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lora_marketing.recipe import LoadedRecipe
from lora_marketing.training.checkpoints import CheckpointVault
from lora_marketing.training.train import train
from tests.forks import Forks
from tests.training.children import Children, Kill
from tests.training.making import build_trainer, open_run, recipe

STEPS, EVERY, MICRO_BATCHES = 12, 3, 2
TRAINER = "lora_marketing.training.trainer.BrandTrainer"
Recipes = Callable[[str], LoadedRecipe]


@pytest.fixture(scope="session")
def run_in_child(forks: Forks) -> Children:
    return Children(forks)


@pytest.fixture(scope="module")
def recipes(tiny: Path) -> Recipes:
    """12 steps in two epochs, a checkpoint every third; dropout uses the random state."""
    lora = {"dropout": 0.2, "rank": 4, "alpha": 8}
    losing = {"epochs": 20.0, "learning_rate": 0.2, "scheduler": "constant", "batch_size": 12}
    made = {
        "fp32": recipe(tiny, lora=lora),
        "nf4": recipe(tiny, quantization="nf4", dtype="bfloat16", lora=lora),
        "early stop": recipe(tiny, lora=lora, train=losing, eval={"patience": 3, "per_epoch": 2}),
    }
    return made.__getitem__


@pytest.fixture(scope="module")
def whole(
    run_in_child: Children, recipes: Recipes, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of an uninterrupted run, made once for each recipe."""
    made: dict[str, Path] = {}

    def run(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp("whole")
            run_in_child(recipes(name), folder, resume=False)
            made[name] = folder
        return made[name]

    return run


def assert_same_run(found: Path, wanted: Path) -> None:
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (found / "adapter" / name).read_bytes() == (wanted / "adapter" / name).read_bytes(), name
    assert json.loads((found / "metrics.json").read_text()) == json.loads(
        (wanted / "metrics.json").read_text()
    )
    assert last_state(found) == last_state(wanted)


OF_THE_MACHINE = ("runtime", "per_second", "preparation_time", "num_tokens")
"""What differs between equal runs: times, and the tokens that this process has trained on."""


def last_state(run: Path) -> dict[str, object]:
    vault = CheckpointVault(run / "checkpoints")
    state = json.loads((vault.path(vault.steps()[-1]) / "trainer_state.json").read_text())
    history = [
        {key: value for key, value in entry.items() if not any(word in key for word in OF_THE_MACHINE)}
        for entry in state["log_history"]
    ]
    keys = ("best_global_step", "best_metric", "global_step", "epoch", "stateful_callbacks")
    return {"log_history": history, **{key: state[key] for key in keys}}


PLACES = {
    "before the first checkpoint": Kill(f"{TRAINER}.training_step", 3),
    "in the second micro-batch of a step": Kill(f"{TRAINER}.training_step", 8 * MICRO_BATCHES),
    "in an evaluation": Kill(f"{TRAINER}.prediction_step", 3 * 3 + 2),
    "while the base's loss is noted": Kill("pathlib.Path.write_text", 1, torn=True),
    "writing a checkpoint's optimizer": Kill("torch.save", 4),
    "hashing a checkpoint": Kill("lora_marketing.training.checkpoints.file_sha256", 12),
    "writing COMPLETE": Kill("pathlib.Path.write_text", 3, torn=True),
    "flushing a checkpoint": Kill("os.fsync", 15),
    "before a checkpoint appears": Kill("lora_marketing.common.files.claim", 2),
    "while old checkpoints are deleted": Kill("lora_marketing.training.checkpoints.shutil.rmtree", 8),
    "after the last checkpoint": Kill("lora_marketing.training.train._save_adapter", 1),
}


FAST = "before a checkpoint appears"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=() if place == FAST else pytest.mark.thorough) for place in PLACES]
)
def test_killed_and_resumed_is_bit_for_bit_the_same(
    place: str, run_in_child: Children, recipes: Recipes, whole: Callable[[str], Path], tmp_path: Path
) -> None:
    run_in_child(recipes("fp32"), tmp_path, resume=False, kill=PLACES[place])
    run_in_child(recipes("fp32"), tmp_path, resume=True)
    assert_same_run(tmp_path, whole("fp32"))


@pytest.mark.thorough
def test_nf4_killed_twice_at_random_with_a_damaged_checkpoint(
    run_in_child: Children, recipes: Recipes, whole: Callable[[str], Path], tmp_path: Path
) -> None:
    """The newest checkpoint is damaged after the first kill; the second run is killed as well."""
    seed = random.randrange(2**32)
    choose = random.Random(seed)
    first = choose.randrange(2 * EVERY * MICRO_BATCHES + 1, STEPS * MICRO_BATCHES)
    run_in_child(recipes("nf4"), tmp_path, resume=False, kill=Kill(f"{TRAINER}.training_step", first))
    vault = CheckpointVault(tmp_path / "checkpoints")
    newest = vault.path(vault.steps()[-1])
    weights = newest / "adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
    weights.write_bytes(content)
    left = (STEPS - vault.steps()[-2]) * MICRO_BATCHES
    second = choose.randrange(1, left + 1)
    run_in_child(recipes("nf4"), tmp_path, resume=True, kill=Kill(f"{TRAINER}.training_step", second))
    run_in_child(recipes("nf4"), tmp_path, resume=True)
    try:
        assert_same_run(tmp_path, whole("nf4"))
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: killed at micro-batch {first}, then {second}") from error


@pytest.mark.thorough
def test_every_checkpoint_damaged_starts_over(
    run_in_child: Children, recipes: Recipes, whole: Callable[[str], Path], tmp_path: Path
) -> None:
    kill = Kill(f"{TRAINER}.training_step", 7 * MICRO_BATCHES)
    run_in_child(recipes("fp32"), tmp_path, resume=False, kill=kill)
    for path in (tmp_path / "checkpoints").glob("step-*/COMPLETE"):
        path.unlink()
    run_in_child(recipes("fp32"), tmp_path, resume=True)
    assert_same_run(tmp_path, whole("fp32"))


@pytest.mark.thorough
@pytest.mark.parametrize("counted", [1, 2, 3])
def test_early_stopping_goes_on_counting(
    counted: int, run_in_child: Children, recipes: Recipes, whole: Callable[[str], Path], tmp_path: Path
) -> None:
    """Killed when 1, 2 or all 3 evaluations in a row were no better than the best."""
    wanted = last_state(whole("early stop"))
    best = wanted["best_global_step"]
    assert isinstance(best, int)
    assert wanted["global_step"] == best + 3, "three evaluations later it stopped, long before the end"
    name = "early stop"
    if counted == 3:
        kill = PLACES["after the last checkpoint"]
    else:
        kill = Kill(f"{TRAINER}.training_step", (best + counted) * 6 + 1)
    run_in_child(recipes(name), tmp_path, resume=False, kill=kill)
    run_in_child(recipes(name), tmp_path, resume=True)
    assert_same_run(tmp_path, whole(name))


@pytest.mark.thorough
def test_lora_weights_keep_their_dtype(
    recipes: Recipes, whole: Callable[[str], Path], tmp_path: Path
) -> None:
    """Loading a checkpoint changes the values and nothing else."""
    loaded = recipes("nf4")
    base, data = open_run(loaded)
    trainer = build_trainer(loaded, base, data, tmp_path)
    before = {name: p.dtype for name, p in trainer.model.named_parameters() if p.requires_grad}
    assert len(set(before.values())) == 1
    newest = CheckpointVault(whole("nf4") / "checkpoints").newest_valid()
    assert newest is not None
    trainer._load_from_checkpoint(str(newest))
    assert {name: p.dtype for name, p in trainer.model.named_parameters() if p.requires_grad} == before
    saved = load_file(newest / "adapter_model.safetensors")
    for name, parameter in trainer.model.named_parameters():
        if parameter.requires_grad:
            kept = saved[name.replace(".default", "")]
            assert kept.dtype == parameter.dtype
            assert torch.equal(parameter, kept)


@pytest.mark.thorough
def test_without_resume_nothing_of_an_earlier_run_is_used(
    run_in_child: Children, recipes: Recipes, whole: Callable[[str], Path], tmp_path: Path
) -> None:
    kill = Kill(f"{TRAINER}.training_step", 7 * MICRO_BATCHES)
    run_in_child(recipes("fp32"), tmp_path, resume=False, kill=kill)
    base, data = open_run(recipes("fp32"))
    trained = train(recipes("fp32"), data, base, tmp_path, resume=False)
    assert len([point for point in trained.points if point.loss is not None]) == STEPS
    wanted = whole("fp32") / "adapter" / "adapter_model.safetensors"
    assert (trained.folder / "adapter_model.safetensors").read_bytes() == wanted.read_bytes()
