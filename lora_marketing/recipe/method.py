"""What a training method needs of the other keys, and which keys are another method's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lora_marketing.common.documents import FilePlace, KeyPath, dotted, place_of
from lora_marketing.common.errors import Problem

DPO_ONLY = (("data", "pairs"), ("train", "start"), ("train", "beta"))


def method_problems(values: Mapping[str, Any], places: Mapping[KeyPath, FilePlace]) -> Iterator[Problem]:
    """Keys that `train.method` lacks or cannot use, read from a recipe's values before they are typed."""
    given = {(section, key): _at(values, section, key) for section, key in DPO_ONLY}
    method, pairs = _at(values, "train", "method") or "sft", given["data", "pairs"]
    if method == "sft":
        for path, value in given.items():
            if value is not None:
                fix = f"set train.method: dpo, or take {dotted(path)} out"
                yield Problem(f"{dotted(path)} needs train.method: dpo", place_of(path, places), fix=fix)
        if isinstance(values.get("data"), Mapping) and _at(values, "data", "train") is None:
            where = place_of(("data", "train"), places)
            yield Problem("missing key data.train", where, fix="add data.train")
    elif method == "dpo":
        if pairs is None:
            fix = "add data.pairs: a file of JSON lines, each with a brief, chosen and rejected"
            where = place_of(("train", "method"), places)
            yield Problem("train.method: dpo needs data.pairs", where, fix=fix)
        if dropout := _at(values, "lora", "dropout"):
            fix = "set lora.dropout to 0: beside a reference without dropout it is only noise"
            where = place_of(("lora", "dropout"), places)
            yield Problem("train.method: dpo trains without dropout", where, got=str(dropout), fix=fix)


def start_problems(start: str | None, name: str, where: FilePlace | None) -> Iterator[Problem]:
    """A start that is not an earlier version of the adapter `name` that the recipe trains."""
    if start and start.partition("@")[0].partition(":")[0] != name:
        allowed = f"{name}, {name}@alias or {name}:digest"
        yield Problem("train.start is another brand's or line's adapter", where, got=start, allowed=allowed)


def _at(values: Mapping[str, Any], section: str, key: str) -> Any:
    inner = values.get(section)
    return inner.get(key) if isinstance(inner, Mapping) else None
