"""Dequantizes a GGUF file to a safetensors folder in the user cache, once."""

from __future__ import annotations

from pathlib import Path

from lora_marketing.common.console import note
from lora_marketing.common.errors import BaseModelError, Problem
from lora_marketing.common.files import appearing, cache_folder, file_sha256


def converted(gguf: Path) -> Path:
    """The safetensors folder of a GGUF base, which is converted on first use.

    Weights become bfloat16. The folder is named after the file's hash, so that a changed file is converted
    again. An interrupted conversion leaves no folder behind.

    Raises:
        BaseModelError: transformers cannot read this GGUF file.
    """
    target = converted_folder(gguf, file_sha256(gguf))
    if target.is_dir():
        return target
    note(f"Dequantizing {gguf.name} once into {target}")
    with appearing(target) as staging:
        _dequantize(gguf, staging)
    return target


def converted_folder(gguf: Path, sha256: str) -> Path:
    """The path of the folder that a GGUF file with this hash is converted to; it may not exist yet."""
    return cache_folder() / "bases" / f"{gguf.stem}-{sha256[:16]}"


def _dequantize(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**where, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(
            **where,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
            local_files_only=True,
        )
    except (ValueError, KeyError, NotImplementedError) as error:
        fix = "use the model's safetensors folder instead"
        raise BaseModelError(Problem("cannot read this GGUF file", str(gguf), str(error), fix=fix)) from error
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
