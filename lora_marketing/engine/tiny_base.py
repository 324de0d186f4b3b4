"""Tiny random bases: the architecture and chat format of a real one, small enough for any CPU.

They answer the question "does this recipe run from end to end?" without the real weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast, set_seed

from lora_marketing.common.errors import BaseModelError, Problem, nearest
from lora_marketing.engine.trl_api import shipped_template

VOCABULARY = 1024
SPECIAL = re.compile(r"<\|[\w]+\|>|<(?:start|end)_of_turn>|</?(?:s|bos|eos|think)>|\[/?INST\]")


@dataclass(frozen=True)
class Family:
    """How a family ends an answer, and what its configuration needs beyond the common sizes."""

    stop: str
    text: Mapping[str, Any] = field(default_factory=dict)
    vision: Mapping[str, Any] | None = None


SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 8192,
}
SLIDING = {"sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"]}
VISION_SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}
FAMILIES = {
    "llama": Family("<|im_end|>"),
    "qwen3": Family("<|im_end|>"),
    "smollm3": Family("<|im_end|>", {"no_rope_layers": [1, 0]}),
    "mistral": Family("</s>", {"sliding_window": None}),
    "gemma3_text": Family("<end_of_turn>", {"query_pre_attn_scalar": 16, **SLIDING}),
    "gemma3": Family("<end_of_turn>", {"query_pre_attn_scalar": 16, **SLIDING}, VISION_SIZES),
}


def make_tiny_base(
    model_type: str, template: str, texts: Sequence[str], folder: Path, seed: int = 13
) -> Path:
    """Write a random model of `model_type` with a byte-level tokenizer learned from `texts`.

    `template` is the name of a family's chat template. The folder loads like any local base.

    Raises:
        BaseModelError: no tiny version of this architecture.
    """
    if model_type not in FAMILIES:
        allowed = nearest(model_type, FAMILIES)
        raise BaseModelError(Problem(f"no tiny base of architecture {model_type}", allowed=allowed))
    family, jinja = FAMILIES[model_type], chat_template(template)
    stop = "<|eot_id|>" if template.startswith("llama3") else family.stop
    tokenizer = _tokenizer(texts, jinja, stop)
    sizes = {**SIZES, **family.text, "vocab_size": len(tokenizer), "tie_word_embeddings": False}
    ids = {
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
    }
    if family.vision is None:
        config = AutoConfig.for_model(model_type, **sizes, **ids)
    else:
        inner = {"text_config": {**sizes, **ids}, "vision_config": family.vision}
        config = AutoConfig.for_model(model_type, **inner, mm_tokens_per_image=4, **ids)
    set_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def chat_template(name: str) -> str:
    """A family's chat template: ours, or the one that TRL ships as data."""
    own = files("lora_marketing.bases") / "templates" / f"{name}.jinja"
    if own.is_file():
        return own.read_text(encoding="utf-8")
    shipped = shipped_template(name)
    if shipped is None:
        raise BaseModelError(Problem(f'no chat template "{name}"', fix="update trl"))
    return shipped.read_text(encoding="utf-8")


def _tokenizer(texts: Sequence[str], jinja: str, stop: str) -> PreTrainedTokenizerFast:
    special = sorted({"<pad>", stop, *SPECIAL.findall(jinja)})
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    bos = next((token for token in ("<bos>", "<s>", "<|begin_of_text|>") if token in special), None)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=stop, pad_token="<pad>", bos_token=bos, chat_template=jinja
    )
