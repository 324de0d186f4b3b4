"""What `train.extra` may hold: fields of the installed TRL's configs, read without importing it.

Every field stands in one table: set by a key of the recipe (`OWNED`), by the kit (`FORBIDDEN`), applied
(`ALLOWED`, `PADDED_ONLY`), or refused with the reason (`REFUSED`). A field in none of them is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lora_marketing.common.errors import Problem, nearest
from lora_marketing.recipe.schema import TrainSection

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


ALLOWED: Mapping[str, str] = {
    "adam_beta1": "the optimizer",
    "adam_beta2": "the optimizer",
    "adam_epsilon": "the optimizer",
    "average_tokens_across_devices": "changes nothing on one device",
    "data_seed": "the order of rows",
    "dataloader_drop_last": "the last batch of an epoch",
    "dataloader_num_workers": "speed",
    "dataloader_persistent_workers": "speed",
    "dataloader_prefetch_factor": "speed",
    "lr_scheduler_kwargs": "the scheduler",
    "neftune_noise_alpha": "noise on the embeddings while training",
    "optim_args": "the optimizer",
    "torch_empty_cache_steps": "memory of a GPU",
    "train_sampling_strategy": "the order of rows",
}
"""Fields that are applied by every method and layout, and to what."""

ALLOWED_IN_DPO: Mapping[str, str] = {
    **ALLOWED,
    "discopop_tau": "the loss",
    "f_alpha_divergence_coef": "the loss",
    "f_divergence_type": "the loss",
    "label_smoothing": "the loss",
    "ld_alpha": "the loss",
    "loss_type": "the loss",
    "loss_weights": "the loss",
    "use_weighting": "the loss",
}
"""Likewise for preference training."""

PADDED_ONLY: Mapping[str, str] = {
    "label_smoothing_factor": "the loss on a prefix tree is the plain one",
    "loss_type": "the loss on a prefix tree is the plain one",
    "pad_to_multiple_of": "a prefix tree has no padding",
}
"""Fields of SFTConfig that are applied to padded batches alone, and why."""

_SHARED = "it would change the base or the process that other brands share"
_TOKENS = "rows reach the trainer as tokens, one by one"
_RESUME = "a resumed run would end with another adapter"
_ONE_DEVICE = "a run has one device"
_LOGGED = "every step is logged, and the held-out loss is the only figure"
_PRIVATE = "nothing leaves this machine"
_EVALUATED = "every checkpoint needs its held-out loss; see the section eval"
_CHECKPOINTING = "see train.activation_checkpointing"

REFUSED: Mapping[str, str] = {
    **dict.fromkeys(["save_only_model", "ignore_data_skip", "enable_jit_checkpoint"], _RESUME),
    **dict.fromkeys(["save_on_each_node", "dataloader_in_order"], _RESUME),
    **dict.fromkeys(["bf16_full_eval", "fp16_full_eval", "full_determinism", "tf32"], _SHARED),
    **dict.fromkeys(["torch_compile", "torch_compile_backend", "torch_compile_mode"], _SHARED),
    **dict.fromkeys(["use_liger_kernel", "liger_kernel_config", "debug", "use_cache"], _SHARED),
    **dict.fromkeys(["dataset_num_proc", "dataset_text_field", "eval_packing", "packing_strategy"], _TOKENS),
    **dict.fromkeys(["padding_free", "shuffle_dataset", "truncation_mode", "length_column_name"], _TOKENS),
    **dict.fromkeys(["dataloader_multiprocessing_context", "trust_remote_code"], _SHARED),
    **dict.fromkeys(["accelerator_config", "ddp_backend", "ddp_broadcast_buffers"], _ONE_DEVICE),
    **dict.fromkeys(["ddp_bucket_cap_mb", "ddp_find_unused_parameters", "ddp_timeout"], _ONE_DEVICE),
    **dict.fromkeys(["ddp_static_graph", "deepspeed", "fsdp", "fsdp_config"], _ONE_DEVICE),
    **dict.fromkeys(["local_rank", "parallelism_config", "eval_use_gather_object"], _ONE_DEVICE),
    **dict.fromkeys(["batch_eval_metrics", "do_predict", "eval_accumulation_steps"], _LOGGED),
    **dict.fromkeys(["eval_do_concat_batches", "include_for_metrics", "label_names"], _LOGGED),
    **dict.fromkeys(["include_num_input_tokens_seen", "log_level", "log_level_replica"], _LOGGED),
    **dict.fromkeys(["log_on_each_node", "logging_first_step", "logging_strategy"], _LOGGED),
    **dict.fromkeys(["prediction_loss_only", "skip_memory_metrics"], _LOGGED),
    **dict.fromkeys(["hub_always_push", "hub_private_repo", "hub_revision", "hub_strategy"], _PRIVATE),
    **dict.fromkeys(["trackio_bucket_id", "trackio_space_id", "trackio_static_space_id"], _PRIVATE),
    **dict.fromkeys(["eval_delay", "eval_on_start"], _EVALUATED),
    **dict.fromkeys(["activation_checkpointing_kwargs", "gradient_checkpointing_kwargs"], _CHECKPOINTING),
    "activation_offloading": "the memory plan does not count with it",
    "optim_target_modules": "it belongs to optimizers of whole models; see lora.target_modules",
    "router_aux_loss_coef": "no base of the kit has experts",
}
"""Fields that would do nothing, or harm: each with the reason."""

REFUSED_IN_DPO: Mapping[str, str] = {
    **REFUSED,
    "label_smoothing_factor": "preference training has label_smoothing",
    "pad_to_multiple_of": "pairs are padded to the longest",
}
"""Likewise for preference training."""


def extra_problems(
    places: Mapping[str, str | None], method: str = "sft", packing: str = "prefix_tree"
) -> list[Problem]:
    """What is wrong with the names in `train.extra`, given the place of each, the method and the packing."""
    if not places:
        return []
    dpo = method == "dpo"
    known = dpo_config_fields() if dpo else sft_config_fields()
    owned, forbidden = (OWNED_IN_DPO, FORBIDDEN_IN_DPO) if dpo else (OWNED, FORBIDDEN)
    refused = REFUSED_IN_DPO if dpo else REFUSED
    allowed_here = {*ALLOWED_IN_DPO} if dpo else {*ALLOWED, *(PADDED_ONLY if packing == "padded" else ())}
    problems = []
    for name, where in places.items():
        what = f"train.extra.{name} is not allowed"
        if name in owned:
            problems.append(Problem(what, where, fix=f"set {owned[name]} instead"))
        elif name in forbidden:
            problems.append(Problem(what, where, fix="the kit sets it; remove the key"))
        elif name not in known:
            near = get_close_matches(name, known - forbidden - refused.keys())
            config = f"TRL's {method.upper()}Config"
            allowed = nearest(name, near) if near else f"a field of {config} that the kit leaves free"
            problems.append(Problem(f"unknown key train.extra.{name}", where, allowed=allowed))
        elif name in PADDED_ONLY and not dpo and name not in allowed_here:
            fix = "remove the key, or set train.packing: padded, where it is applied"
            problems.append(Problem(what, where, got=PADDED_ONLY[name], fix=fix))
        elif name not in allowed_here:
            reason = refused.get(name, "this version of the kit does not know what it does")
            problems.append(Problem(what, where, got=reason, fix="remove the key"))
    return problems


def idle_problems(train: TrainSection, places: Mapping[str, str | None]) -> Iterator[Problem]:
    """Values in `train.extra` of another type than the field's, and keys that other settings leave idle.

    Args:
        train: with names that are allowed.
        places: the place of each name.
    """
    if not train.extra:
        return
    dpo = train.method == "dpo"
    types = _annotations("trainer/dpo_config.py" if dpo else "trainer/sft_config.py")
    losses = train.extra.get("loss_type")
    loss_types = losses if isinstance(losses, list) else [losses or "sigmoid"]
    chosen: dict[str, set[str]] = {
        "loss_type": {str(loss) for loss in loss_types},
        "f_divergence_type": {str(train.extra.get("f_divergence_type", "reverse_kl"))},
        "scheduler": {train.scheduler},
    }
    for name, value in train.extra.items():
        where, what = places.get(name), f"train.extra.{name}"
        if name in types and not _is_of(value, types[name]):
            yield Problem(f"{what} is of another type", where, got=repr(value)[:80], allowed=types[name])
        elif name in CHOICES and value not in CHOICES[name]:
            allowed = f"one of {', '.join(CHOICES[name])}"
            yield Problem(f"{what} is not allowed", where, got=repr(value)[:80], allowed=allowed)
        elif name in NEEDS and (dpo or name not in ALLOWED_IN_DPO or name in ALLOWED):
            key, values = NEEDS[name]
            if not chosen[key] & values:
                got = f"{key}: {', '.join(sorted(chosen[key]))}"
                needed = f"{key} {' or '.join(sorted(values))}"
                yield Problem(f"{what} would do nothing", where, got, needed, fix="remove the key")


CHOICES: Mapping[str, tuple[str, ...]] = {
    "train_sampling_strategy": ("random", "sequential", "group_by_length"),
}
"""Fields whose other values would be taken for the first one, without a word."""
NEEDS: Mapping[str, tuple[str, frozenset[str]]] = {
    "label_smoothing": ("loss_type", frozenset({"exo_pair", "robust", "aot", "aot_unpaired"})),
    "discopop_tau": ("loss_type", frozenset({"discopop"})),
    "f_alpha_divergence_coef": ("f_divergence_type", frozenset({"alpha_divergence"})),
    "lr_scheduler_kwargs": ("scheduler", frozenset({"linear", "cosine"})),
}
"""Fields that are read only where another setting has one of these values."""

_TYPES = {"float": (int, float), "int": (int,), "str": (str,), "dict": (dict,), "None": (type(None),)}


def _is_of(value: object, annotation: str) -> bool:
    """Whether a value fits an annotation such as `list[float] | None`; of others nothing is known."""
    for kind in annotation.split(" | "):
        inner = kind.removeprefix("list[").removesuffix("]") if kind.startswith("list[") else None
        if kind == "bool" and isinstance(value, bool):
            return True
        if inner is not None:
            if isinstance(value, list) and all(_is_of(one, inner) for one in value):
                return True
        elif kind in _TYPES:
            if isinstance(value, _TYPES[kind]) and not isinstance(value, bool):
                return True
        elif kind != "bool":
            return True
    return False


@cache
def sft_config_fields() -> frozenset[str]:
    """Field names of SFTConfig and the classes it extends, from their source files."""
    return frozenset(_annotations("trainer/sft_config.py"))


@cache
def dpo_config_fields() -> frozenset[str]:
    """Field names of DPOConfig and the classes it extends, likewise."""
    return frozenset(_annotations("trainer/dpo_config.py"))


@cache
def _annotations(file: str) -> Mapping[str, str]:
    """The type of every field of a config of TRL's, as its source has it; that of the nearest class."""
    sources = (("transformers", "training_args.py"), ("trl", "trainer/base_config.py"), ("trl", file))
    return {name: kind for package, source in sources for name, kind in _dataclass_fields(package, source)}


def _dataclass_fields(package: str, file: str) -> list[tuple[str, str]]:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return []
    tree = ast.parse((Path(spec.origin).parent / file).read_text(encoding="utf-8"))
    return [
        (node.target.id, ast.unparse(node.annotation))
        for outer in tree.body
        if isinstance(outer, ast.ClassDef)
        for node in outer.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
