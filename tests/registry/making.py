"""Small adapters and manifests to test with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import HealthCheck, settings
from safetensors.numpy import save_file

from lora_marketing.registry import AdapterName, BasePin, Manifest

property_test = settings(
    deadline=None,  # machines that build and test at once are slow now and then
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Array = npt.NDArray[Any]
NAME = AdapterName("ember", "soap")
RANK = 2
SHAPES = {
    f"model.layers.{layer}.self_attn.{linear}": shape
    for layer in range(2)
    for linear, shape in {"q_proj": (6, 4), "k_proj": (3, 4), "o_proj": (4, 6)}.items()
}
CONFIG = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": RANK,
    "lora_alpha": 4,
    "target_modules": ["q_proj", "o_proj"],
    "bias": "none",
    "rank_pattern": {},
}


def key(module: str, part: str) -> str:
    return f"base_model.model.{module}.{part}"


def lora_tensors(rank: int = RANK, dora: bool = False, dtype: str = "float32") -> dict[str, Array]:
    """What PEFT saves for q_proj and o_proj of SHAPES."""
    tensors: dict[str, Array] = {}
    for module, (rows, columns) in SHAPES.items():
        if module.endswith("k_proj"):
            continue
        tensors[key(module, "lora_A.weight")] = np.full((rank, columns), 0.5, dtype)
        tensors[key(module, "lora_B.weight")] = np.zeros((rows, rank), dtype)
        if dora:
            tensors[key(module, "lora_magnitude_vector")] = np.ones(rows, dtype)
    return tensors


def write_adapter(
    folder: Path, config: Mapping[str, Any] = CONFIG, tensors: Mapping[str, Array] | None = None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(dict(lora_tensors() if tensors is None else tensors), folder / "adapter_model.safetensors")
    (folder / "README.md").write_text("# soap\n", encoding="utf-8")
    return folder


def raw_safetensors(header: object, data: bytes = b"") -> bytes:
    """The bytes of a safetensors file with any header: an object, or the header's own bytes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def manifest(name: AdapterName = NAME, **changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": str(name),
        "created": "2026-11-23T12:00:00+00:00",
        "recipe": {"lora": {"rank": 2, "alpha": 4.0}, "brand": {"line": "soap"}},
        "data": {"train_sha256": "a" * 64, "train_rows": 80},
        "base": BasePin(
            id="tiny",
            revision=None,
            fingerprint="f",
            weights="w",
            quantization="nf4",
            tokenizer="t",
            chat_template="c",
        ),
        "packages": {"peft": "0.21.2"},
        "seed": 13,
        "metrics": {"loss": 1.25},
    }
    return Manifest(**(values | changes))


def tree(root: Path) -> dict[str, bytes]:
    """Every file and folder below `root` with its content, except the empty staging folder itself."""
    found = {
        str(path.relative_to(root)): b"" if path.is_dir() else path.read_bytes() for path in root.rglob("*")
    }
    found.pop(".staging", None)
    return found
