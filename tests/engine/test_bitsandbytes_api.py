"""Each private part of bitsandbytes that the kit uses is where it is looked for."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from bitsandbytes.functional import quantize_4bit
from bitsandbytes.nn import Linear4bit
from torch import nn

from lora_marketing.engine import bitsandbytes_api
from lora_marketing.engine.bitsandbytes_api import dequantized, keep_weights_unpacked, quantization_states
from tests.making import moved

API = Path(bitsandbytes_api.__file__)


@pytest.fixture
def model() -> nn.Module:
    layer = Linear4bit(64, 32, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    return nn.Sequential(layer).to("cpu")


def test_a_layer_and_its_weight_share_their_scales(model: nn.Module) -> None:
    layer = model[0]
    assert getattr(layer, "quant_state", None) is not None, moved("Linear4bit.quant_state", API)
    assert layer.weight.quant_state is layer.quant_state, moved("Params4bit.quant_state", API)
    shared = quantization_states(model)
    assert deepcopy(model, dict(shared))[0].quant_state is layer.quant_state
    assert deepcopy(model)[0].quant_state is not layer.quant_state


def test_a_weight_is_read_as_the_layer_computes_with_it(model: nn.Module) -> None:
    keep_weights_unpacked(model)
    dense = dequantized(model[0])
    assert (dense.shape, dense.dtype) == ((32, 64), torch.float32)
    torch.testing.assert_close(model(torch.eye(64)).T, dense, rtol=1e-5, atol=1e-6)


def test_the_switch_for_repacking_is_read_by_the_forward(model: nn.Module) -> None:
    switch = "support_avx512bf16_for_cpu"
    assert switch in Linear4bit.forward.__code__.co_names, moved(f"Linear4bit.{switch}", API)
    assert hasattr(model[0], switch), moved(f"Linear4bit.{switch}", API)
    vars(model[0])[switch] = True
    keep_weights_unpacked(model)
    before = model[0].weight.data.clone()
    model.eval()(torch.ones(1, 64))
    assert torch.equal(model[0].weight.data, before)


def test_what_was_quantized_comes_back() -> None:
    full = torch.randn(32, 64)
    layer = Linear4bit(64, 32, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    layer.load_state_dict({"weight": full})
    layer.to("cpu")
    packed, _ = quantize_4bit(full, quant_type="nf4", compress_statistics=True)
    assert torch.equal(layer.weight.data, packed)
    assert float((dequantized(layer) - full).abs().max()) < 0.2 * float(full.abs().max())
