"""The typed sections of a recipe. Defaults are what works for LoRA on a 4-bit base.

Every key a recipe may hold stands here; everything else of TRL's SFTConfig is reached through
`train.extra`, whose names are checked against the installed TRL.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, JsonValue, StringConstraints

from lora_marketing.brands.brand import Slug
from lora_marketing.common.documents import Frozen

Fraction = Annotated[float, Field(ge=0, lt=1)]
PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]

ADAPTER = r"^[a-z0-9][a-z0-9_-]{0,62}/[a-z0-9][a-z0-9_-]{0,62}(@[a-z0-9][a-z0-9_-]{0,62}|:[0-9a-f]{4,64})?$"
"""`brand/line`, `brand/line@alias` or `brand/line:digest`."""

IS_PATH = {"format": "path"}
"""Marks keys whose value is a path relative to the file that sets it."""
APPROVED = "approved:"
"""Before the path of a review queue in `data`: its approved and edited texts are the rows."""


CHAT_DATE = "2026-01-01"
"""The day that chat templates take for today, unless a recipe names another."""
SystemTurn = Literal["own", "in_user"]


def _day(text: str) -> str:
    if date.fromisoformat(text).isoformat() != text:  # 20260101 is the same day, but not the same text
        raise ValueError("a day is written as in 2026-01-01")
    return text


class BaseSection(Frozen):
    """Which foundation model, how it is quantized and computed, and what decides its prompts.

    `chat_date` is the day that its chat template takes for today. `system_turn: in_user` puts the system
    turn at the beginning of the user's, for templates that take none; without it the catalogue says.
    """

    id: Annotated[str, Field(min_length=1, json_schema_extra=IS_PATH)]
    revision: str | None = None
    quantization: Literal["nf4", "none"] = "nf4"
    double_quantization: bool = True
    compute_dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
    template_arguments: dict[str, bool | str] = {}
    chat_date: Annotated[str, AfterValidator(_day), Field(json_schema_extra={"format": "date"})] = CHAT_DATE
    system_turn: SystemTurn | None = None


class LoraSection(Frozen):
    """The adapter: variant, size, and which linear layers it sits on."""

    variant: str = "plain"
    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    alpha: PositiveInt = 32
    dropout: Fraction = 0.0
    target_modules: Literal["all-linear"] | Annotated[list[str], Field(min_length=1)] = "all-linear"
    b_learning_rate_ratio: Annotated[float, Field(ge=1)] = 16.0


MAX_SCALING = 64.0
"""What the load gate lets B·A be multiplied with at most: alpha / rank, or alpha / sqrt(rank) for rsLoRA."""


class DataSection(Frozen):
    """The brand's texts, or its preference pairs, and what happens to rows that are too long.

    `train` and `validation` are JSON lines, or `approved:review.db`; `pairs` are JSON lines.
    """

    train: Annotated[str | None, Field(json_schema_extra=IS_PATH)] = None
    pairs: Annotated[str | None, Field(json_schema_extra=IS_PATH)] = None
    validation: Annotated[str | None, Field(json_schema_extra=IS_PATH)] = None
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    max_length: PositiveInt = 1024
    overlong: Literal["error", "drop"] = "error"


class TrainSection(Frozen):
    """One optimizer step sees `batch_size` rows, computed `micro_batch_size` at a time.

    Without `micro_batch_size`, the plan picks the largest divisor of `batch_size` that fits in memory.
    With `method: dpo` a row is a preference pair, and training begins at the published adapter `start`,
    which is the reference too, or else at the bare base; `beta` holds the result near the reference.
    """

    method: Literal["sft", "dpo"] = "sft"
    start: Annotated[str, StringConstraints(pattern=ADAPTER)] | None = None
    beta: PositiveFloat = 0.1
    epochs: PositiveFloat = 3.0
    batch_size: PositiveInt = 16
    micro_batch_size: PositiveInt | None = None
    packing: Literal["prefix_tree", "padded"] = "prefix_tree"
    learning_rate: PositiveFloat = 2e-4
    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "cosine"
    warmup_fraction: Fraction = 0.05
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    optimizer: str = "adamw_torch"
    activation_checkpointing: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 13
    report_to: list[Literal["tensorboard", "mlflow", "trackio", "wandb"]] = []
    extra: dict[str, JsonValue] = {}


class EvalSection(Frozen):
    """How often the validation loss is taken, when to stop, and the stop-rate test."""

    per_epoch: PositiveInt = 2
    patience: PositiveInt = 4
    briefs: Annotated[int, Field(ge=0)] = 8
    max_new_tokens: PositiveInt = 120
    temperature: Annotated[float, Field(ge=0)] = 0.7
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9


class BrandSection(Frozen):
    """Whose voice, and which product line of it."""

    profile: Annotated[str, Field(json_schema_extra=IS_PATH)]
    line: Slug


class BudgetSection(Frozen):
    """What one run may cost. A run that reaches `minutes` stops at its next checkpoint."""

    memory_gib: PositiveFloat | None = None
    minutes: PositiveFloat | None = None


class Recipe(Frozen):
    """One training run, whole. Saved inside the adapter that it made."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, title="lora-marketing recipe", serialize_by_alias=True
    )

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    base: BaseSection
    lora: LoraSection = LoraSection()
    data: DataSection
    train: TrainSection = TrainSection()
    eval: EvalSection = EvalSection()
    brand: BrandSection
    budget: BudgetSection = BudgetSection()


def path_keys() -> frozenset[tuple[str, str]]:
    """The (section, key) pairs whose values are paths."""
    keys = set()
    for section, info in Recipe.model_fields.items():
        for key, inner in getattr(info.annotation, "model_fields", {}).items():
            if inner.json_schema_extra == IS_PATH:
                keys.add((section, key))
    return frozenset(keys)
