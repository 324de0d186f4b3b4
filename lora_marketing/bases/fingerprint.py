"""Computes the fingerprint of a base; an adapter fits only bases with the fingerprint it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from lora_marketing.common.errors import BaseModelError, Problem
from lora_marketing.common.files import cache_folder, file_sha256, write_atomic


def fingerprint(parts: Mapping[str, str]) -> str:
    """sha256 (hex) over the named parts of a base: weights, quantization, tokenizer, chat template."""
    return sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()


def weights_hash(folder: Path) -> str:
    """sha256 (hex) over config.json and all safetensors files of a base folder.

    The hash of a file is cached by its path, size, modification time and change time. The change time reveals
    new content even if a tool restored the modification time.

    Raises:
        BaseModelError: the folder holds no safetensors file.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        fix = "bases are read from safetensors files; pickled weights are not loaded"
        raise BaseModelError(Problem("the base has no safetensors files", str(folder), fix=fix))
    total = sha256()
    for path in (folder / "config.json", *weights):
        total.update(f"{path.name}:{_remembered_sha256(path)}\n".encode())
    return total.hexdigest()


def _remembered_sha256(path: Path) -> str:
    real = path.resolve()
    status = real.stat()
    times = f"{status.st_mtime_ns}|{status.st_ctime_ns}"
    key = sha256(f"{real}|{status.st_size}|{times}".encode()).hexdigest()
    memo = cache_folder() / "hashes" / key
    if memo.is_file():
        return memo.read_text()
    digest = file_sha256(real)
    memo.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(memo, digest)
    return digest
