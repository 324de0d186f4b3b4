"""Each private or renamed part of transformers that the kit uses is where it is looked for."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path

import pytest
import transformers.cache_utils
import transformers.integrations.sdpa_attention
import transformers.masking_utils
import transformers.trainer
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, Trainer, TrainerControl, TrainerState

from lora_marketing.engine import transformers_api
from lora_marketing.engine.tiny_base import FAMILIES
from lora_marketing.engine.transformers_api import (
    CACHE_LAYER_METHODS,
    TRAINER_STATE_NAME,
    CacheLayerMixin,
    cache_argument,
    sdpa_attention_forward,
    state_where_training_ended,
)
from tests.making import loaded_without, moved

API = Path(transformers_api.__file__)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (transformers.cache_utils, "CacheLayerMixin"),
        (transformers.integrations.sdpa_attention, "sdpa_attention_forward"),
        (transformers.masking_utils, "sdpa_mask"),
        (transformers.trainer, "TRAINER_STATE_NAME"),
    ],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_part_that_moves_is_told_in_a_sentence(
    module: object, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = loaded_without(API, module, name, monkeypatch)
    assert said.startswith(f"transformers moved what the kit needs of it: cannot import name '{name}'")
    assert said.endswith(f"Put its new place into {API}")


@pytest.mark.parametrize("model_type", [*FAMILIES, "qwen2", "lfm2"])
def test_every_family_takes_its_cache_by_a_known_name(model_type: str) -> None:
    kind = MODEL_FOR_CAUSAL_LM_MAPPING[type(AutoConfig.for_model(model_type))]
    assert cache_argument(kind) in signature(kind.forward).parameters, moved(
        f"{kind.__name__}.forward's argument `cache` (or `past_key_values`)", API
    )


def test_a_cache_layer_is_asked_what_the_engines_layers_answer() -> None:
    assert CacheLayerMixin.__abstractmethods__ == CACHE_LAYER_METHODS, moved(
        "what CacheLayerMixin leaves to its layers", API
    )
    layer = type("Layer", (CacheLayerMixin,), dict.fromkeys(CACHE_LAYER_METHODS))()
    assert vars(layer).keys() >= {"keys", "values", "is_initialized"}, moved(
        "CacheLayerMixin's keys, values and is_initialized", API
    )


def test_sdpa_attention_takes_what_tree_attention_hands_on() -> None:
    taken = list(signature(sdpa_attention_forward).parameters)
    assert taken[:5] == ["module", "query", "key", "value", "attention_mask"], moved(
        "sdpa_attention_forward's order of arguments", API
    )
    assert {"dropout", "scaling"} <= set(taken), moved("sdpa_attention_forward's dropout and scaling", API)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("_save_checkpoint", ["self", "model", "trial"]),
        ("_prepare_inputs", ["self", "inputs"]),
        ("_get_learning_rate", ["self"]),
    ],
)
def test_trainer_has_the_methods_that_are_called(name: str, arguments: list[str]) -> None:
    method = getattr(Trainer, name, None)
    assert method is not None, moved(f"Trainer.{name}", API)
    assert list(signature(method).parameters) == arguments, moved(f"the arguments of Trainer.{name}", API)


@pytest.mark.parametrize("stop", [True, False])
def test_a_saved_state_says_whether_training_ended(stop: bool, tmp_path: Path) -> None:
    control = TrainerControl(should_training_stop=stop)
    saved = TrainerState(global_step=7, stateful_callbacks={"TrainerControl": control.state()})
    saved.save_to_json(str(tmp_path / TRAINER_STATE_NAME))
    assert (
        "should_training_stop"
        in json.loads((tmp_path / "trainer_state.json").read_text())["stateful_callbacks"]["TrainerControl"][
            "args"
        ]
    ), moved("where TrainerState keeps should_training_stop", API)
    found = state_where_training_ended(tmp_path)
    assert (found is not None and found.global_step == 7) == stop
