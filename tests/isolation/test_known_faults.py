"""Faults that other engines have had with several adapters, each as a case that must not happen here."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from lora_marketing.common.errors import AdapterRefused, RegistryError
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.engine import Engine
from lora_marketing.engine.request import Request, RowOutput
from lora_marketing.engine.row_cache import BatchedRowCache, InputChunk
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.writer import Writer
from lora_marketing.registry.names import AdapterRef
from tests.closeness import close
from tests.engine.making import KINDS, base_folder, peft_model, prompts, section

GREEDY = Sampling(0, 0.0, 1.0, 8)


def alone(base: LoadedBase, folders: dict[str, Path], request: Request) -> RowOutput:
    """A row in an engine that has never seen another."""
    writer = Writer(base)
    if request.adapter:
        writer.load_folder(request.adapter, folders[request.adapter])
    return writer.write([request])[0]


def test_a_prefix_is_not_found_by_its_tokens_alone(
    llama: LoadedBase, folders: dict[str, Path], writer: Writer
) -> None:
    """transformers' continuous batching hashes tokens only: the base then answers in brand A's words.
    llama.cpp's server (issue 26207) does so where a request names no adapter."""
    prompt = prompts(llama, [80])[0]
    for voice in ("plain", None, "dora", None, "plain", "rslora"):
        request = Request(prompt, voice, GREEDY)
        assert writer.write([request]) == [alone(llama, folders, request)], voice


def test_a_base_row_beside_adapter_rows_is_the_bases_to_the_bit(
    llama: LoadedBase, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM 0.32 on the CPU (issue 48421) gives it an adapter."""
    computed: list[torch.Tensor] = []
    compute = BatchedRowCache.compute

    def noted(self: BatchedRowCache, first: int, chunks: Sequence[InputChunk]) -> torch.Tensor:
        computed.append(compute(self, first, chunks))
        return computed[-1]

    monkeypatch.setattr(BatchedRowCache, "compute", noted)
    prompt_ids = prompts(llama, [9, 9, 9, 9])
    seen = []
    for voices in ([None] * 4, [None, *KINDS]):
        writer = Writer(llama)
        for name, folder in folders.items():
            writer.load_folder(name, folder)
        computed.clear()
        writer.write([Request(p, v, GREEDY) for p, v in zip(prompt_ids, voices, strict=True)])
        seen.append([step[0] for step in computed])
    assert len(seen[0]) == len(seen[1]) > 1
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))


def test_a_neighbour_whose_name_contains_anothers_keeps_its_weights(tmp_path: Path) -> None:
    """PEFT's hotswap (issue 3780) matches names by substring: layer 1 zeroes layers 10 and 11."""
    small = load_base(section(base_folder("llama", tmp_path / "small")))
    sizes = small.model.config.to_dict() | {"num_hidden_layers": 12}
    torch.manual_seed(3)
    model = LlamaForCausalLM(LlamaConfig(**sizes))
    model.generation_config.eos_token_id = small.tokenizer.eos_token_id
    shutil.copytree(tmp_path / "small", tmp_path / "tall")
    model.save_pretrained(tmp_path / "tall")
    base = load_base(section(tmp_path / "tall"))
    engine = Engine(base)
    targets = {"one": [1], "eleven": [11], "both": [1, 10, 11]}
    folders = {name: _on_layers(base, layers, tmp_path / name) for name, layers in targets.items()}
    ids = prompts(base, [12])[0]
    with torch.inference_mode():
        wanted = {
            name: peft_model(base, folder)(input_ids=torch.tensor([ids])).logits[0, -1]
            for name, folder in folders.items()
        }
    for order in (("both", "one", "eleven"), ("one", "both", "eleven"), ("eleven", "one")):
        for name in order:
            engine.load("brand", folders[name])
            found = _first_logits(engine, Request(ids, "brand", Sampling(0, 0.0, 1.0, 1)))
            close(found, wanted[name], name)


def _on_layers(base: LoadedBase, layers: Sequence[int], folder: Path) -> Path:
    torch.manual_seed(sum(layers))
    names = [f"model.layers.{layer}.self_attn.{part}" for layer in layers for part in ("q_proj", "v_proj")]
    model = get_peft_model(
        copy.deepcopy(base.model), LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=names)
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def _first_logits(engine: Engine, request: Request) -> torch.Tensor:
    found: list[torch.Tensor] = []
    compute = engine._cache.compute
    with pytest.MonkeyPatch.context() as patched:

        def noted(first: int, chunks: Sequence[InputChunk]) -> torch.Tensor:
            found.append(compute(first, chunks))
            return found[-1]

        patched.setattr(engine._cache, "compute", noted)
        engine.submit(request, lambda progress: None)
        while engine.step():
            pass
    return found[0][0]


def test_an_adapter_that_is_not_there_is_nobodys(writer: Writer) -> None:
    """PEFT activates another adapter when the active one is deleted; here its rows are refused."""
    prompt = prompts(writer.base, [5])[0]
    for key in ("gone", "../plain", "plain/../dora", "PLAIN", "", "plain\0"):
        with pytest.raises(AdapterRefused, match="adapter is not loaded"):
            writer.write([Request(prompt, key, GREEDY)])


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "ember/../lumen", "ember/espresso/..", "/ember/espresso", "e\0/x"]
)
def test_a_name_is_never_a_path(name: str) -> None:
    """vLLM's filesystem resolver (issue 46287) follows `../` out of its folder."""
    with pytest.raises(RegistryError):
        AdapterRef.parse(name)
