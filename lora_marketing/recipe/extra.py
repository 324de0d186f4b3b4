"""Names that `train.extra` may hold: fields of the installed TRL's configs, read without importing it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lora_marketing.common.errors import Problem, nearest

OWNED = {
    "activation_checkpointing": "train.activation_checkpointing",
    "gradient_checkpointing": "train.activation_checkpointing",
    "bf16": "base.compute_dtype",
    "fp16": "base.compute_dtype",
    "eval_steps": "eval.per_epoch",
    "eval_strategy": "eval.per_epoch",
    "gradient_accumulation_steps": "train.batch_size and train.micro_batch_size",
    "learning_rate": "train.learning_rate",
    "lr_scheduler_type": "train.scheduler",
    "max_grad_norm": "train.max_grad_norm",
    "max_length": "data.max_length",
    "num_train_epochs": "train.epochs",
    "optim": "train.optimizer",
    "packing": "train.packing",
    "per_device_eval_batch_size": "train.micro_batch_size",
    "per_device_train_batch_size": "train.micro_batch_size",
    "report_to": "train.report_to",
    "seed": "train.seed",
    "warmup_steps": "train.warmup_fraction",
    "weight_decay": "train.weight_decay",
}
"""SFTConfig fields that a typed key of the recipe already sets."""
OWNED_IN_DPO = {**OWNED, "beta": "train.beta"}

FORBIDDEN = frozenset(
    [
        "output_dir",
        "push_to_hub",
        "hub_model_id",
        "hub_token",
        "save_strategy",
        "save_steps",
        "save_total_limit",
        "do_train",
        "do_eval",
        "load_best_model_at_end",
        "metric_for_best_model",
        "greater_is_better",
        "max_steps",
        "completion_only_loss",
        "assistant_only_loss",
        "dataset_kwargs",
        "model_init_kwargs",
        "chat_template_path",
        "eos_token",
        "pad_token",
        "remove_unused_columns",
        "resume_from_checkpoint",
        "auto_find_batch_size",
        "logging_nan_inf_filter",
        "restore_callback_states_from_checkpoint",
        "logging_steps",
        "disable_tqdm",
        "use_cpu",
        "dataloader_pin_memory",
        "run_name",
        "project",
    ]
)
"""Fields the kit itself depends on: crash-safe checkpoints, the render contract, the loss mask."""


FORBIDDEN_IN_DPO = FORBIDDEN | {
    "precompute_ref_log_probs",
    "precompute_ref_batch_size",
    "sync_ref_model",
    "ref_model_mixup_alpha",
    "ref_model_sync_steps",
    "disable_dropout",
    "padding_free",
    "truncation_mode",
}
"""For preference training also: the reference is computed once, from the start, and rows are never cut."""


def extra_problems(places: Mapping[str, str | None], method: str = "sft") -> list[Problem]:
    """What is wrong with the names in `train.extra`, given the place of each and `train.method`."""
    if not places:
        return []
    known = dpo_config_fields() if method == "dpo" else sft_config_fields()
    owned, forbidden = (OWNED_IN_DPO, FORBIDDEN_IN_DPO) if method == "dpo" else (OWNED, FORBIDDEN)
    problems = []
    for name, where in places.items():
        what = f"train.extra.{name} is not allowed"
        if name in owned:
            problems.append(Problem(what, where, fix=f"set {owned[name]} instead"))
        elif name in forbidden:
            problems.append(Problem(what, where, fix="the kit sets it; remove the key"))
        elif name not in known:
            near = get_close_matches(name, known - forbidden)
            config = f"TRL's {method.upper()}Config"
            allowed = nearest(name, near) if near else f"a field of {config} that the kit leaves free"
            problems.append(Problem(f"unknown key train.extra.{name}", where, allowed=allowed))
    return problems


@cache
def sft_config_fields() -> frozenset[str]:
    """Field names of SFTConfig and the classes it extends, from their source files."""
    return _config_fields("trainer/sft_config.py")


@cache
def dpo_config_fields() -> frozenset[str]:
    """Field names of DPOConfig and the classes it extends, likewise."""
    return _config_fields("trainer/dpo_config.py")


def _config_fields(file: str) -> frozenset[str]:
    sources = (
        ("trl", file),
        ("trl", "trainer/base_config.py"),
        ("transformers", "training_args.py"),
    )
    return frozenset(name for package, source in sources for name in _dataclass_fields(package, source))


def _dataclass_fields(package: str, file: str) -> list[str]:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return []
    tree = ast.parse((Path(spec.origin).parent / file).read_text(encoding="utf-8"))
    return [
        node.target.id
        for outer in tree.body
        if isinstance(outer, ast.ClassDef)
        for node in outer.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
