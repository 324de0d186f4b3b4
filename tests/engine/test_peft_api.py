"""Each private part of PEFT that the kit uses is where it is looked for."""

from __future__ import annotations

from pathlib import Path

import peft.tuners.lora
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_marketing.engine import peft_api
from lora_marketing.engine.peft_api import ADAPTER, adapted_linear, lora_layers, lora_weights, scaling_of
from tests.making import loaded_without, moved

API = Path(peft_api.__file__)


def test_a_part_that_moves_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    said = loaded_without(API, peft.tuners.lora, "LoraLayer", monkeypatch)
    assert said.startswith("PEFT moved what the kit needs of it: cannot import name 'LoraLayer'")
    assert said.endswith(f"Put its new place into {API}")


def test_a_lora_layer_has_the_insides_that_are_read() -> None:
    base = nn.Sequential(nn.Linear(6, 5, bias=False))
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=6, target_modules=["0"]))
    assert list(model.peft_config) == [ADAPTER], moved("the name of an adapter without a name", API)
    layers = lora_layers(model)
    assert list(layers) == ["0"], moved("get_base_model, whose modules have the base's names", API)
    layer = layers["0"]
    for name in ("lora_A", "lora_B", "scaling", "get_base_layer"):
        assert hasattr(layer, name), moved(f"LoraLayer.{name}", API)
    a, b = lora_weights(layer)
    assert (a.shape, b.shape) == ((2, 6), (5, 2)), moved("the shapes of A and B", API)
    torch.nn.init.normal_(b)
    x = torch.randn(3, 6)
    update = layer(x) - adapted_linear(layer)(x)
    torch.testing.assert_close(
        update, scaling_of(layer) * (x @ a.T @ b.T), msg=moved("y = W x + s B A x", API)
    )
