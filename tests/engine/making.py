"""Tiny bases, and adapters that PEFT itself saved, to test with."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM

from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.tiny_base import SIZES, make_tiny_base
from lora_marketing.recipe.schema import BaseSection

TEXTS = (
    "Dark roast. Cocoa, then molasses. 250 grams of it. The bus won't wait.",
    "On Thursday we light the lamps, and you may come.",
    "山里黑得早，孩子会往你身边靠。",
)
TEMPLATES = {"llama": "smollm2", "qwen2": "smollm2", "gemma3": "gemma3", "gemma3_text": "gemma3"}


def base_folder(model_type: str, folder: Path, seed: int = 13) -> Path:
    """A tiny base on the disk, with opinions; `qwen2`: its q, k and v projections have a bias."""
    if model_type == "qwen2":
        _qwen2(folder, seed)
    else:
        make_tiny_base(model_type, TEMPLATES[model_type], TEXTS, folder, seed)
    tensors = load_file(folder / "model.safetensors")
    wide = {name: tensor * 4 if name.endswith("proj.weight") else tensor for name, tensor in tensors.items()}
    wide |= {name: tensor * 10 for name, tensor in tensors.items() if name.endswith("lm_head.weight")}
    save_file(wide, folder / "model.safetensors", {"format": "pt"})
    return folder


def _qwen2(folder: Path, seed: int) -> None:
    make_tiny_base("llama", "smollm2", TEXTS, folder, seed)
    sizes: dict[str, Any] = {name: size for name, size in SIZES.items() if name != "head_dim"}
    llama = load_base(section(folder))
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(Qwen2Config(**sizes, vocab_size=len(llama.tokenizer), tie_word_embeddings=False))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    model.generation_config.eos_token_id = llama.tokenizer.eos_token_id
    model.save_pretrained(folder)


def section(folder: Path, quantization: Any = "none", dtype: Any = "float32") -> BaseSection:
    return BaseSection(id=str(folder), quantization=quantization, compute_dtype=dtype)


@dataclass(frozen=True)
class Kind:
    """One adapter to make. `strength` is how far it pulls the base away."""

    targets: tuple[str, ...]
    rank: int
    seed: int
    alpha: int = 8
    use_rslora: bool = False
    use_dora: bool = False
    strength: float = 0.3


ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
KINDS = {
    "plain": Kind(("q_proj", "v_proj"), rank=4, seed=1),
    "rslora": Kind(ALL, rank=7, seed=2, use_rslora=True),
    "dora": Kind(("q_proj", "k_proj", "down_proj"), rank=3, seed=3, use_dora=True),
}


def decoder_targets(base: LoadedBase, short: Sequence[str]) -> list[str]:
    """Full module names: a short one would also name layers of a vision tower."""
    return [name for name in base.linear_shapes if name.rpartition(".")[2] in short]


def save_adapter(base: LoadedBase, kind: Kind, folder: Path) -> Path:
    """An adapter as PEFT writes it, every part of it random."""
    torch.manual_seed(kind.seed)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=kind.rank,
        lora_alpha=kind.alpha,
        target_modules=decoder_targets(base, kind.targets),
        use_rslora=kind.use_rslora,
        use_dora=kind.use_dora,
    )
    model = get_peft_model(copy.deepcopy(base.model), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=kind.strength)
            elif "magnitude" in name:
                parameter.mul_(torch.rand_like(parameter) + 0.5)
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


def save_adapters(base: LoadedBase, folder: Path) -> dict[str, Path]:
    return {name: save_adapter(base, kind, folder / name) for name, kind in KINDS.items()}


def peft_model(base: LoadedBase, folder: Path) -> PeftModel:
    """PEFT's own reading of an adapter, on a copy of the base."""
    return PeftModel.from_pretrained(copy.deepcopy(base.model), folder, autocast_adapter_dtype=False).eval()


def prompts(base: LoadedBase, lengths: Sequence[int], seed: int = 0) -> list[list[int]]:
    """Random token ids that stop nothing."""
    random = torch.Generator().manual_seed(seed)
    allowed = [id for id in range(20, len(base.tokenizer)) if id not in base.stop_ids]
    chosen = [torch.randint(len(allowed), (length,), generator=random) for length in lengths]
    return [[allowed[int(place)] for place in places] for places in chosen]


def whole_characters(base: LoadedBase, tokens: Sequence[int]) -> tuple[int, ...]:
    """The tokens of a text that ended, without those at its end that spell no whole character."""
    kept = list(tokens)
    while base.decode(kept).endswith("\ufffd"):
        kept.pop()
    return tuple(kept)


def state(base: LoadedBase) -> str:
    """A hash of everything that decides what a model says: its modules and its weights."""
    total = hashlib.sha256()
    for name, module in base.model.named_modules():
        total.update(f"{name}:{type(module).__name__}:{module.training};".encode())
        own: dict[str, Tensor | None] = dict(module._parameters) | dict(module._buffers)
        for key, tensor in own.items():
            if tensor is not None:
                total.update(f"{key}{tuple(tensor.shape)}{tensor.dtype}{tensor.requires_grad}".encode())
                total.update(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
