"""What an adapter_config.json may say. A whitelist: a key that is not in these tables is refused.

PEFT carries out whatever the file asks for: `layer_replication` and `init_lora_weights: pissa`
rewrite the base that all brands share, and a regular expression in `target_modules` can hang the
loader. Keys and defaults are those of LoraConfig in PEFT 0.21.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_marketing.common import strict_json
from lora_marketing.common.errors import MOST_SHOWN, AdapterRefused, Problem, capped, nearest
from lora_marketing.recipe.schema import MAX_SCALING
from lora_marketing.registry.files import read_small, require_published
from lora_marketing.registry.header import quoted

MAX_CONFIG = 128 * 1024
"""Bytes. The configuration of an adapter of 80 layers that names every module is a fifth of it."""
MAX_RANK = 1024


@dataclass(frozen=True)
class ConfigKey:
    """What one key may hold, in words and as a test."""

    allowed: str
    accepts: Callable[[Any], bool]
    required: bool = False


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_target_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(item, str) for item in value)


_TEXT_OR_NULL = ConfigKey("a text or null", lambda value: value is None or isinstance(value, str))
_FLAG = ConfigKey("true or false", lambda value: type(value) is bool)

KEYS: Mapping[str, ConfigKey] = {
    "peft_type": ConfigKey('"LORA"', lambda value: value == "LORA", required=True),
    "task_type": ConfigKey('"CAUSAL_LM"', lambda value: value == "CAUSAL_LM", required=True),
    "r": ConfigKey(
        f"an integer from 1 to {MAX_RANK}", lambda value: type(value) is int and 1 <= value <= MAX_RANK, True
    ),
    "lora_alpha": ConfigKey(
        "a finite number above 0", lambda value: _is_number(value) and 0 < value < math.inf, required=True
    ),
    "target_modules": ConfigKey("a list of module names, not a pattern", _is_target_list, required=True),
    "lora_dropout": ConfigKey(
        "a number from 0 to below 1", lambda value: _is_number(value) and 0 <= value < 1
    ),
    "use_rslora": _FLAG,
    "use_dora": _FLAG,
    "inference_mode": _FLAG,
    "init_lora_weights": _FLAG,
    "base_model_name_or_path": _TEXT_OR_NULL,
    "revision": _TEXT_OR_NULL,
    "peft_version": _TEXT_OR_NULL,
}
"""Keys that may differ from adapter to adapter."""

FIXED: Mapping[str, object] = {
    "alora_invocation_tokens": None,
    "alpha_pattern": {},
    "arrow_config": None,
    "auto_mapping": None,
    "bias": "none",
    "corda_config": None,
    "ensure_weight_tying": False,
    "eva_config": None,
    "exclude_modules": None,
    "fan_in_fan_out": False,
    "kasa_config": None,
    "layer_replication": None,
    "layers_pattern": None,
    "layers_to_transform": None,
    "loftq_config": {},
    "lora_bias": False,
    "lora_ga_config": None,
    "megatron_config": None,
    "megatron_core": "megatron.core",
    "modules_to_save": None,
    "monteclora_config": None,
    "qalora_group_size": 16,
    "rank_pattern": {},
    "target_parameters": None,
    "trainable_token_indices": None,
    "use_bdlora": None,
    "use_qalora": False,
    "velora_config": None,
}
"""Keys that PEFT writes but that may hold nothing except its default."""


def read_config(path: Path, digest: str | None = None) -> dict[str, Any]:
    """The keys of an adapter_config.json, not yet checked. They come from the very bytes that were hashed.

    Args:
        path: the file.
        digest: the SHA-256 that it must have, as the manifest tells it.

    Raises:
        AdapterRefused: not a regular file of at most MAX_CONFIG bytes, another file than the one that was
            published, not strict JSON, not an object.
    """
    raw = read_small(path, MAX_CONFIG)
    if digest is not None:
        require_published(raw, digest, path)
    try:
        config = strict_json.loads(raw)
    except strict_json.NotStrictJson as error:
        raise AdapterRefused(Problem("is not strict JSON", str(path), got=str(error))) from error
    if not isinstance(config, dict):
        raise AdapterRefused(Problem("is not a JSON object", str(path)))
    return config


def valid(config: Mapping[str, Any], key: str) -> Any:
    """The value of `key` if it is there and allowed, else None."""
    return config[key] if key in config and KEYS[key].accepts(config[key]) else None


def scaling_of(config: Mapping[str, Any]) -> float | None:
    """What PEFT multiplies B·A with: alpha / r, or alpha / sqrt(r) for rsLoRA. None if over 64 or unknown."""
    rank, alpha = valid(config, "r"), valid(config, "lora_alpha")
    if rank is None or alpha is None:
        return None
    divisor = math.sqrt(rank) if valid(config, "use_rslora") else float(rank)
    return alpha / divisor if alpha <= MAX_SCALING * divisor else None


def config_problems(config: Mapping[str, Any], where: str) -> list[Problem]:
    """What in an adapter's configuration must not reach PEFT: the first problems, and how many more."""
    return capped(_problems(config, where))


def _problems(config: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for key, spec in KEYS.items():
        if spec.required and key not in config:
            yield Problem(f"{key} is missing", where, allowed=spec.allowed)
    compared = 0
    for key, value in config.items():
        if key in FIXED:
            if type(value) is not type(FIXED[key]) or value != FIXED[key]:
                yield _refused(key, value, strict_json.dumps(FIXED[key]), where)
        elif key not in KEYS:
            compared += 1
            known = nearest(key, [*KEYS, *FIXED]) if compared <= MOST_SHOWN else None
            yield Problem(f"unknown key {quoted(key)}", where, allowed=known, fix="remove the key")
        elif not KEYS[key].accepts(value):
            yield _refused(key, value, KEYS[key].allowed, where)
    if valid(config, "r") and valid(config, "lora_alpha") and scaling_of(config) is None:
        got = f"lora_alpha {quoted(str(config['lora_alpha']))} at rank {config['r']}"
        yield Problem("scaling is too large", where, got, f"at most {MAX_SCALING:g}")


def _refused(key: str, value: object, allowed: str, where: str) -> Problem:
    fix = "train the adapter again with a recipe of this kit"
    if isinstance(value, dict | list):  # may be nested as deep as the reader allows: not to be written out
        got = f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    else:
        got = quoted(strict_json.dumps(value))
    return Problem(f"{key} is not allowed", where, got, allowed, fix)
