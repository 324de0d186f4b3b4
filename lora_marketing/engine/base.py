"""Load a base: NF4 with double quantisation, tokenizer, fingerprint, and its linear layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from lora_marketing.bases.convert import converted
from lora_marketing.bases.fingerprint import fingerprint, weights_hash
from lora_marketing.bases.locate import BaseFiles, locate, prompt_settings
from lora_marketing.common.errors import BaseModelError, Problem
from lora_marketing.engine.bitsandbytes_api import keep_weights_unpacked, quantization_states
from lora_marketing.engine.kernels import keep_few_kernels
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.registry.manifest import BasePin
from lora_marketing.tasks import Message
from lora_marketing.tokens.pinned_template import PinnedTemplate, PromptSettings, compiled
from lora_marketing.tokens.render import control_tokens

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class LoadedBase:
    """One base in memory with everything that must match between training and generation."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    pin: BasePin
    prompts: PromptSettings
    linear_shapes: Mapping[str, tuple[int, int]]
    stop_ids: frozenset[int]
    folder: Path

    def encode(self, chat: Sequence[Message], *, header: bool) -> list[int]:
        """Token ids of a chat; with `header`, also the beginning of the answer to it."""
        text = self.template.render(chat, header=header)
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        """Token ids as text, special tokens shown."""
        return str(self.tokenizer.decode(list(ids)))

    @cached_property
    def template(self) -> PinnedTemplate:
        """What renders chats."""
        special = {name: str(token) for name, token in self.tokenizer.special_tokens_map.items()}
        return PinnedTemplate(str(self.tokenizer.get_chat_template()), special, self.prompts)

    @cached_property
    def control_tokens(self) -> frozenset[str]:
        """What the template and the tokenizer set apart from words, such as `<|im_start|>`."""
        added = self.tokenizer.added_tokens_decoder.values()
        return control_tokens([(token.content, token.special) for token in added], self.template.source)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.device

    @property
    def compute_dtype(self) -> torch.dtype:
        """The dtype of activations and of adapters while writing."""
        dtype = self.model.get_input_embeddings().weight.dtype
        assert isinstance(dtype, torch.dtype)
        return dtype

    def with_modules_of_its_own(self) -> LoadedBase:
        """The same base for a run that changes modules: another tree of them over the same tensors.

        PEFT's layers, TRL's forward, hooks and settings land on the copy; the original is as it was.
        """
        shared: dict[int, Any] = {id(t): t for t in (*self.model.parameters(), *self.model.buffers())}
        return replace(self, model=deepcopy(self.model, shared | quantization_states(self.model)))


def load_base(section: BaseSection) -> LoadedBase:
    """Load tokenizer and quantized model on the GPU if there is one, else on the CPU.

    Raises:
        BaseModelError: the base is missing, damaged or no causal LM, or has no chat template of use.
    """
    keep_few_kernels()
    files = locate(section)
    folder = converted(files.path) if files.is_gguf else files.path
    tokenizer, prompts = _load_tokenizer(files, folder), prompt_settings(section)
    compiled(str(tokenizer.get_chat_template()), prompts.date)
    model = _load_model(section, folder)
    model.eval()
    keep_weights_unpacked(model)
    return LoadedBase(
        model=model,
        tokenizer=tokenizer,
        pin=_pin(section, files, folder, tokenizer),
        prompts=prompts,
        linear_shapes=linear_shapes(model),
        stop_ids=_stop_ids(model, tokenizer),
        folder=folder,
    )


def _load_tokenizer(files: BaseFiles, folder: Path) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not tokenizer.chat_template:
        fix = "use an instruction-tuned base, or put a chat_template.jinja beside its tokenizer"
        raise BaseModelError(Problem(f"base {files.id} has no chat template", str(folder), fix=fix))
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _load_model(section: BaseSection, folder: Path) -> PreTrainedModel:
    dtype = DTYPES[section.compute_dtype]
    quantization = None
    if section.quantization == "nf4":
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=section.double_quantization,
            bnb_4bit_compute_dtype=dtype,
        )
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            output_loading_info=True,
            dtype=dtype,
            quantization_config=quantization,
            device_map={"": 0} if torch.cuda.is_available() else None,
            attn_implementation="sdpa",
            local_files_only=True,
        )
    except (ValueError, OSError, SafetensorError) as error:
        raise BaseModelError(Problem("the base cannot be loaded", str(folder), got=str(error))) from error
    model, loading_info = loaded
    if missing := sorted(loading_info["missing_keys"]):  # transformers would go on with random numbers
        got = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise BaseModelError(Problem("the base lacks weights", str(folder), got=got, fix="fetch it again"))
    assert isinstance(model, PreTrainedModel)
    return model


def _pin(section: BaseSection, files: BaseFiles, folder: Path, tokenizer: PreTrainedTokenizerBase) -> BasePin:
    double = "+double" if section.double_quantization else ""
    parts = {
        "weights": weights_hash(folder),
        "quantization": section.quantization + (double if section.quantization == "nf4" else ""),
        "tokenizer": sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
        "chat_template": sha256(str(tokenizer.chat_template).encode()).hexdigest(),
    }
    return BasePin(id=files.id, revision=files.revision, fingerprint=fingerprint(parts), **parts)


def linear_shapes(model: PreTrainedModel) -> dict[str, tuple[int, int]]:
    """(out, in) features of every linear layer of the text decoder, by module name.

    The output embedding and, in models that see, the vision tower are left out: LoRA on
    `all-linear` means these layers.
    """
    decoder = model.get_decoder()
    inside = {id(module) for module in decoder.modules()}
    return {
        name: (module.out_features, module.in_features)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and id(module) in inside
    }


def _stop_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(int(id) for id in (*ids, tokenizer.eos_token_id) if id is not None)


def sliding_window_of(config: PreTrainedConfig) -> int | None:
    """The window of a model's sliding layers, or None if all its layers see everything."""
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or ())
    return int(text.sliding_window) if "sliding_attention" in kinds else None
