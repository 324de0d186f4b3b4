"""A bad adapter never reaches the base, and what it would replace stays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lora_marketing.common.errors import AdapterRefused
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.request import Request
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.writer import Writer
from tests.engine.making import KINDS, Kind, prompts, save_adapter, state

Tensors = dict[str, Tensor]
VOICES = (*KINDS, None)


def nan(tensors: Tensors) -> None:
    tensors[next(name for name in tensors if "lora_B" in name)][0, 0] = float("nan")


def infinite(tensors: Tensors) -> None:
    tensors[next(name for name in tensors if "lora_A" in name)][-1, -1] = float("-inf")


def half_empty(tensors: Tensors) -> None:
    for name in [name for name in tensors if "layers.1." in name]:
        del tensors[name]


def without_one_b(tensors: Tensors) -> None:
    del tensors[next(name for name in tensors if "lora_B" in name)]


def empty(tensors: Tensors) -> None:
    tensors.clear()


def lm_head(tensors: Tensors) -> None:
    tensors["base_model.model.lm_head.weight"] = torch.zeros(372, 64)


def base_layer(tensors: Tensors) -> None:
    tensors["base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight"] = torch.zeros(64, 64)


def norm(tensors: Tensors) -> None:
    tensors["base_model.model.model.norm.weight"] = torch.zeros(64)


def another_lora(tensors: Tensors) -> None:
    tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_B.plain.weight"] = torch.ones(64, 4)


def our_own_module_names(tensors: Tensors) -> None:
    """The name that a layer has while a Writer holds the base."""
    for name in list(tensors):
        tensors[name.replace("q_proj.lora", "q_proj.linear.lora")] = tensors.pop(name)


def wrong_rank(tensors: Tensors) -> None:
    for name in tensors:
        if "lora_A" in name:
            tensors[name] = tensors[name][:2].clone()


SPOILERS: list[Callable[[Tensors], None]] = [
    nan,
    infinite,
    half_empty,
    without_one_b,
    empty,
    lm_head,
    base_layer,
    norm,
    another_lora,
    our_own_module_names,
    wrong_rank,
]


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("key", ["new", "plain"])
def test_a_bad_adapter_is_refused_before_the_model_is_touched(
    writer: Writer, folders: dict[str, Path], tmp_path: Path, spoil: Callable[[Tensors], None], key: str
) -> None:
    requests = [Request(prompts(writer.base, [6])[0], voice, Sampling(1, 1.0, 1.0, 6)) for voice in VOICES]
    before, texts = state(writer.base), writer.write(requests)
    shutil.copytree(folders["plain"], tmp_path / "bad")
    weights = tmp_path / "bad" / "adapter_model.safetensors"
    tensors = load_file(weights)
    spoil(tensors)
    save_file(tensors, weights)
    with pytest.raises(AdapterRefused):
        writer.load_folder(key, tmp_path / "bad")
    assert state(writer.base) == before
    assert writer.write(requests) == texts
    if key == "new":
        with pytest.raises(AdapterRefused, match="adapter is not loaded"):
            writer.write([Request(requests[0].prompt, key, Sampling())])


def test_an_initialisation_that_rewrites_the_base_is_refused(
    writer: Writer, folders: dict[str, Path], tmp_path: Path
) -> None:
    before = state(writer.base)
    shutil.copytree(folders["plain"], tmp_path / "bad")
    path = tmp_path / "bad" / "adapter_config.json"
    config = json.loads(path.read_text())
    for change in ({"init_lora_weights": "pissa"}, {"bias": "all"}, {"target_modules": ".*"}):
        path.write_text(json.dumps(config | change))
        with pytest.raises(AdapterRefused):
            writer.load_folder("bad", tmp_path / "bad")
    assert state(writer.base) == before


@pytest.fixture(scope="module")
def renewed(llama: LoadedBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(
        llama, Kind(("v_proj",), rank=2, seed=9, alpha=64), tmp_path_factory.mktemp("renewed")
    )


def test_loading_under_a_used_key_replaces_all_of_the_old_adapter(renewed: Path, writer: Writer) -> None:
    """PEFT keeps the old scaling, and here the old one also sat on layers that the new one leaves alone."""
    prompt = prompts(writer.base, [6])[0]
    others = [Request(prompt, voice, Sampling(1, 1.0, 1.0, 8)) for voice in ("plain", "dora", None)]
    texts = writer.write(others)
    request = Request(prompt, "rslora", Sampling(1, 0, 1, 8))
    old = writer.write([request])
    writer.load_folder("rslora", renewed)
    new = writer.write([request])
    assert writer.write(others) == texts
    writer.close()
    writer.load_folder("rslora", renewed)
    assert writer.write([request]) == new != old
