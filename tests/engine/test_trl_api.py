"""Each private, undocumented or deprecated part of TRL that the kit uses is where it is looked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from lora_marketing.bases.catalogue import load_catalogue
from lora_marketing.engine import trl_api
from lora_marketing.engine.trl_api import (
    OVERRIDDEN,
    PAIR_COLUMNS,
    REFERENCE,
    SCALED_BY_COUNT,
    add_train_tokens,
    checkpointing,
    logged,
    shipped_template,
)
from lora_marketing.training.preference import PreferenceTrainer
from lora_marketing.training.trainer import BrandTrainer
from tests.making import moved

API = Path(trl_api.__file__)
TRAINERS = (BrandTrainer, PreferenceTrainer)


def methods(kind: type, name: str, *packages: str) -> list[Callable[..., Any]]:
    """What `kind` and its bases from these packages define as `name`, the nearest first."""
    found = [base for base in kind.__mro__ if base.__module__.partition(".")[0] in packages]
    return [vars(base)[name] for base in found if inspect.isfunction(vars(base).get(name))]


def test_what_the_kits_trainers_replace_is_all_on_the_list() -> None:
    names = {name for kind in TRAINERS for base in kind.__mro__ for name in vars(base)} - {"__init__"}
    assert OVERRIDDEN.keys() >= {
        name
        for kind in TRAINERS
        for name in names
        if methods(kind, name, "lora_marketing") and methods(kind, name, "trl", "transformers")
    }


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_what_is_replaced_is_called_as_before(name: str) -> None:
    """Upstream's methods and the kit's have these parameters, in this order."""
    replacing = [kind for kind in TRAINERS if methods(kind, name, "lora_marketing")]
    assert replacing
    for kind in replacing:
        theirs = methods(kind, name, "trl", "transformers")
        assert theirs, moved(f"{name} of {kind.__bases__[-1].__name__}", API)
        for method in (*theirs, *methods(kind, name, "lora_marketing")):
            taken = list(signature(method).parameters.values())[1:]
            if all(one.kind is not Parameter.VAR_POSITIONAL for one in taken):
                named = tuple(parameter.name for parameter in taken[: len(OVERRIDDEN[name])])
                assert named == OVERRIDDEN[name], moved(f"the parameters of {method.__qualname__}", API)


@pytest.mark.parametrize("kind", [SFTTrainer, DPOTrainer])
def test_a_trainer_has_the_attributes_that_are_used(kind: type) -> None:
    source = inspect.getsource(kind)
    for name in ("self._metrics = {", "self._total_train_tokens = 0"):
        assert name in source, moved(f"{kind.__name__}'s `{name}`", API)
    assert hasattr(kind, SCALED_BY_COUNT), moved(f"{kind.__name__}.{SCALED_BY_COUNT}", API)


def test_figures_and_tokens_are_counted_where_trl_does() -> None:
    trainer = SimpleNamespace(_metrics={"train": {"loss": [1.0]}, "eval": {}}, _total_train_tokens=5)
    assert logged(trainer, "train") is trainer._metrics["train"]
    assert add_train_tokens(trainer, 3) == trainer._total_train_tokens == 8


def test_a_pair_is_collated_from_the_columns_that_the_kit_makes() -> None:
    pair = dict(zip(PAIR_COLUMNS, ([5, 6], [7], [8, 9]), strict=True))
    batch = DataCollatorForPreference(pad_token_id=0)([pair])
    assert batch["input_ids"].tolist() == [[5, 6, 7, 0], [5, 6, 8, 9]], moved("DPO's columns", API)


def test_the_reference_has_its_name() -> None:
    assert f'add_adapter("{REFERENCE}"' in inspect.getsource(DPOTrainer), moved("DPO's reference", API)


@pytest.mark.parametrize("config", [SFTConfig, DPOConfig])
@pytest.mark.parametrize("on", [True, False])
def test_checkpointing_is_as_the_recipe_says(config: type, on: bool, tmp_path: Path) -> None:
    made = config(output_dir=str(tmp_path), use_cpu=True, bf16=False, **checkpointing(on))
    assert (made.activation_checkpointing, made.gradient_checkpointing) == (on, on), moved(
        "the switch for activation checkpointing", API
    )


@pytest.mark.parametrize("name", sorted({e.template for e in load_catalogue().entries.values()}))
def test_every_familys_chat_template_is_there(name: str) -> None:
    own = Path(API.parents[1] / "bases" / "templates" / f"{name}.jinja").is_file()
    assert own or shipped_template(name), moved(f"the chat template {name}.jinja", API)
