"""The gate accepts what PEFT itself saves, and knows every key that PEFT writes."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.registry import check_adapter, check_values
from lora_marketing.registry.header import read_header
from lora_marketing.registry.lora_config import FIXED, KEYS


def load(name: str) -> Any:
    """A heavy package, loaded when a test runs and not when tests are collected."""
    return import_module(name)


# PEFT 0.21 asks transformers 5.23 for the attribute's old name
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("use_dora", [False, True])
@pytest.mark.parametrize(
    ("layers", "targets"),
    [(2, ["q_proj", "down_proj"]), (2, "all-linear"), (3, "all-linear")],  # PEFT shortens 20 names and more
)
def test_what_peft_saves_passes(
    tmp_path: Path, layers: int, targets: str | list[str], use_dora: bool
) -> None:
    torch, transformers, peft = load("torch"), load("transformers"), load("peft")
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": layers, "vocab_size": 32}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    base = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape, **heads))
    linears = {
        name: tuple(module.weight.shape)
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear) and name != "lm_head"
    }
    config = peft.LoraConfig(
        r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM", use_dora=use_dora, use_rslora=True
    )
    model = peft.get_peft_model(base, config)
    model.save_pretrained(tmp_path, save_embedding_layers=False)

    spec = check_adapter(tmp_path, linears)
    check_values(tmp_path)
    assert (spec.rank, spec.alpha, spec.scaling, spec.use_dora) == (4, 8.0, 4.0, use_dora)
    assert set(spec.modules) == set(model.base_model.targeted_module_names)
    assert len(read_header(tmp_path / "adapter_model.safetensors")) == len(spec.modules) * (2 + use_dora)


def test_the_whitelist_is_pefts_own_list(tmp_path: Path) -> None:
    peft = load("peft")
    peft.LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM").save_pretrained(tmp_path)
    written = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    assert written.keys() == KEYS.keys() | FIXED.keys()
    assert {name: written[name] for name in FIXED} == dict(FIXED)
