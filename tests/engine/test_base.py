"""Loading a base: what its fingerprint depends on, where LoRA may sit, and that no hub is asked."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from safetensors.torch import load_file, save_file
from torch import nn

from lora_marketing.common.errors import BaseModelError
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.tiny_base import chat_template, make_tiny_base
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.registry.manifest import BasePin

TEXTS = ["Dark roast. 250 grams of it. The bus won't wait."]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_MARKETING_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_tiny_base("llama", "smollm2", TEXTS, tmp_path / "base")


def load(folder: Path, **changes: object) -> LoadedBase:
    values = {"id": str(folder), "quantization": "none", "compute_dtype": "float32", **changes}
    return load_base(BaseSection.model_validate(values))


def pin(folder: Path, **changes: object) -> BasePin:
    return load(folder, **changes).pin


def changed_parts(one: BasePin, other: BasePin) -> set[str]:
    parts = {
        part
        for part in ("weights", "quantization", "tokenizer", "chat_template")
        if getattr(one, part) != getattr(other, part)
    }
    assert (one.fingerprint != other.fingerprint) == bool(parts)
    return parts


def test_the_fingerprint_changes_with_its_four_parts_and_says_which(folder: Path, tmp_path: Path) -> None:
    first = pin(folder)
    nf4 = pin(folder, quantization="nf4")
    single = pin(folder, quantization="nf4", double_quantization=False)
    assert changed_parts(first, nf4) == {"quantization"}
    assert changed_parts(nf4, single) == {"quantization"}

    template = shutil.copytree(folder, tmp_path / "template")
    (template / "chat_template.jinja").write_text(chat_template("smollm2") + " ")
    assert changed_parts(first, pin(template)) == {"chat_template"}

    tokenizer = shutil.copytree(folder, tmp_path / "tokenizer")
    content = json.loads((tokenizer / "tokenizer.json").read_text())
    content["model"]["merges"].pop()
    (tokenizer / "tokenizer.json").write_text(json.dumps(content))
    assert changed_parts(first, pin(tokenizer)) == {"tokenizer"}

    config = shutil.copytree(folder, tmp_path / "config")
    text = (config / "config.json").read_text().replace("1e-06", "1e-05")
    (config / "config.json").write_text(text)
    assert changed_parts(first, pin(config)) == {"weights"}


def test_one_changed_number_shows_even_if_size_and_time_are_put_back(folder: Path) -> None:
    first, weights = pin(folder), folder / "model.safetensors"
    before = weights.stat()
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert weights.stat().st_mtime_ns == before.st_mtime_ns
    assert changed_parts(first, pin(folder)) == {"weights"}


def test_the_fingerprint_changes_with_nothing_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pin(folder)
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / "base")
    os.utime(moved / "model.safetensors", (0, 0))
    (moved / "README.md").write_text("notes")
    monkeypatch.setenv("LORA_MARKETING_CACHE", str(tmp_path / "another cache"))
    changes = {"compute_dtype": "bfloat16", "double_quantization": False, "template_arguments": {"a": True}}
    assert pin(moved, **changes) == first


class Connected(AssertionError):
    """Something wanted to reach the network."""


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise Connected

    with monkeypatch.context() as patched:
        for name in ("connect", "connect_ex"):
            patched.setattr(socket.socket, name, refuse)
        for name in ("getaddrinfo", "create_connection"):
            patched.setattr(socket, name, refuse)
        yield


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_local_base_loads_and_computes_without_a_network(
    folder: Path, offline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Connected):
        socket.create_connection(("127.0.0.1", 9))
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    base = load(folder, quantization="nf4", compute_dtype="bfloat16")
    with torch.inference_mode():
        assert base.model(input_ids=torch.tensor([[30, 31]])).logits.isfinite().all()
    (folder / "tokenizer.json").unlink()
    (folder / "model.safetensors").unlink()
    with pytest.raises((BaseModelError, OSError, ValueError)) as caught:
        load(folder)
    assert not isinstance(caught.value, Connected)


def test_lora_may_sit_on_every_linear_layer_of_the_decoder_and_nowhere_else(tmp_path: Path) -> None:
    seven = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    for model_type, template in (("llama", "smollm2"), ("qwen3", "qwen3"), ("gemma3", "gemma3")):
        base = load(make_tiny_base(model_type, template, TEXTS, tmp_path / model_type))
        names = list(base.linear_shapes)
        assert {name.rpartition(".")[2] for name in names} == seven
        assert len(names) == 2 * len(seven)
        assert not any("vision" in name or "lm_head" in name for name in names)
        for name, (rows, columns) in base.linear_shapes.items():
            linear = base.model.get_submodule(name)
            assert isinstance(linear, nn.Linear)
            assert tuple(linear.weight.shape) == (rows, columns)
    # the tower and the head are there to be left out
    others = {name for name, module in base.model.named_modules() if isinstance(module, nn.Linear)} - set(
        names
    )
    assert any("vision" in name for name in others)
    assert any("lm_head" in name for name in others)
    quantized = load(tmp_path / "gemma3", quantization="nf4")
    assert quantized.linear_shapes == base.linear_shapes
    assert all(isinstance(quantized.model.get_submodule(name), Linear4bit) for name in names)


def test_a_base_without_a_template_or_with_pickled_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(BaseModelError, match="no chat template"):
        load(bare)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    with pytest.raises(BaseModelError, match=r"safetensors|cannot be loaded"):
        load(folder)


def test_torn_weights_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(BaseModelError, match="cannot be loaded"):
        load(folder)
    save_file({"x": torch.zeros(1)}, weights, {"format": "pt"})
    with pytest.raises(BaseModelError, match="lacks weights"):
        load(folder)


def test_stop_tokens_are_those_of_the_model_and_of_the_tokenizer(folder: Path) -> None:
    path = folder / "generation_config.json"
    own = load(folder)
    path.write_text(json.dumps({**json.loads(path.read_text()), "eos_token_id": [40, 41]}))
    assert load(folder).stop_ids == {40, 41, own.tokenizer.eos_token_id}
