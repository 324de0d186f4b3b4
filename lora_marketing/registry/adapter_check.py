"""The load gate: an adapter passes only if PEFT can do nothing with it but add LoRA to known layers.

A safetensors file alone can rewrite the base for every brand: PEFT loads keys such as
`lm_head.weight` or `q_proj.base_layer.weight` without an error. So each key must be one that this
gate expects, and each expected key must be there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BufferedReader, BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from lora_marketing.common.errors import AdapterRefused, Problem
from lora_marketing.registry.files import (
    CONFIG,
    REPUBLISH,
    WEIGHTS,
    FileHashes,
    open_regular,
    require_published,
)
from lora_marketing.registry.header import TensorInfo, header_of, quoted, read_header
from lora_marketing.registry.lora_config import config_problems, read_config, scaling_of, valid

PREFIX = "base_model.model."
PART_A = ".lora_A.weight"
PART_B = ".lora_B.weight"
PART_MAGNITUDE = ".lora_magnitude_vector"

EXPONENTS = {"F32": ("<u4", 0x7F800000), "F16": ("<u2", 0x7C00), "BF16": ("<u2", 0x7F80)}
"""Word and exponent bits of each dtype: all set is NaN or infinity. numpy knows no bfloat16."""

PIECE = 1 << 18
"""Numbers that are looked at together: their bits stay in the processor's cache."""

_WAIT = "wait for the writer, then try again"

TensorShape = tuple[int, ...]
TensorKey = tuple[str, str]
"""A module of the base and one of the parts above."""
T = TypeVar("T")


@dataclass(frozen=True)
class AdapterSpec:
    """What an accepted adapter is: its size, and the modules of the base it sits on (sorted)."""

    rank: int
    alpha: float
    scaling: float
    use_rslora: bool
    use_dora: bool
    target_modules: tuple[str, ...]
    modules: tuple[str, ...]


@dataclass(frozen=True)
class Accepted:
    """An adapter that passed the gate: what it is, and the very bytes that were checked."""

    spec: AdapterSpec
    tensors: Mapping[str, TensorInfo]
    raw: memoryview


def read_adapter_file(
    folder: Path,
    linear_shapes: Mapping[str, tuple[int, int]],
    published: FileHashes | None = None,
    admit: Callable[[AdapterSpec], None] | None = None,
) -> Accepted:
    """Read an adapter once and check it whole: names, shapes, values and, if given, both files' SHA-256.

    No memory is taken for the weights before their header says, byte for byte, what this base and the
    configuration ask for: a file that grew is refused by its header. What is returned is what was
    checked, whatever happens to the file: a mapped file could change afterwards, and one that is cut
    short would end the process. `admit` is asked before that memory is taken, and may refuse.

    Raises:
        AdapterRefused: everything that `check_adapter` or `check_values` refuses, or other files than
            those that were published.
    """
    path = folder / WEIGHTS
    with ExitStack() as opened:
        found: list[tuple[BufferedReader, dict[str, TensorInfo]]] = []

        def header(where: Path) -> dict[str, TensorInfo]:
            file = opened.enter_context(open_regular(where))
            found.append((file, header_of(file, os.fstat(file.fileno()).st_size, where)))
            return found[0][1]

        spec = _checked(folder, linear_shapes, header, published)
        if admit is not None:
            admit(spec)
        file, tensors = found[0]
        raw = _read(file, max(one.end for one in tensors.values()), path)
    if published is not None:
        require_published(raw, published.weights, path)
    if header_of(BytesIO(raw[: _header_end(raw)]), len(raw), path) != tensors:
        raise AdapterRefused(Problem("is being written", str(path), fix=_WAIT))
    _require_finite(raw, tensors, path)
    return Accepted(spec, tensors, raw)


def _read(file: BufferedReader, size: int, path: Path) -> memoryview:
    """The `size` bytes of a file, in memory that the system may give in large pages."""
    import numpy as np

    try:
        file.seek(0)
        raw = np.empty(size, np.uint8).data
        length = file.readinto(raw)
    except OSError as error:
        raise AdapterRefused(Problem("cannot be read", str(path), error.strerror)) from error
    if length < size:
        raise AdapterRefused(Problem("is being written", str(path), fix=_WAIT))
    return raw


def _header_end(raw: memoryview) -> int:
    return 8 + int.from_bytes(raw[:8], "little")


def check_adapter(folder: Path, linear_shapes: Mapping[str, tuple[int, int]]) -> AdapterSpec:
    """Check the configuration and the tensor names and shapes of an adapter; reads no values.

    Args:
        folder: holds adapter_config.json and adapter_model.safetensors.
        linear_shapes: (out_features, in_features) of every linear module of the base that may carry LoRA.

    Raises:
        AdapterRefused: everything that is wrong, at once.
    """
    return _checked(folder, linear_shapes, read_header)


def _checked(
    folder: Path,
    linear_shapes: Mapping[str, tuple[int, int]],
    header: Callable[[Path], dict[str, TensorInfo]],
    published: FileHashes | None = None,
) -> AdapterSpec:
    problems: list[Problem] = []
    config = _attempt(
        partial(read_config, digest=published.config if published else None), folder / CONFIG, problems
    )
    tensors = _attempt(header, folder / WEIGHTS, problems)
    selected: dict[str, set[str]] = {}
    if config is not None:
        targets = valid(config, "target_modules")
        selected = targeted(linear_shapes, targets or [])
        problems += config_problems(config, str(folder / CONFIG))
        problems += _target_problems(targets or [], selected, str(folder / CONFIG))
        if tensors is not None:
            wanted = None if targets is None else set(selected)
            problems += _tensor_problems(config, tensors, linear_shapes, wanted, str(folder / WEIGHTS))
    if problems and published and all(problem.fix != REPUBLISH for problem in problems):
        problems.append(Problem("is not what a published version holds", str(folder), fix=REPUBLISH))
    if problems or config is None:
        raise AdapterRefused(problems)
    return _spec(config, selected)


def check_values(folder: Path) -> None:
    """Check that every number of an adapter is finite: one NaN empties the answers of a whole batch.

    Raises:
        AdapterRefused: names the tensors that hold NaN or infinity.
    """
    import numpy as np

    path = folder / WEIGHTS
    tensors = read_header(path)
    with open_regular(path) as file:
        raw = np.memmap(file, mode="r", dtype=np.uint8)
    _require_finite(raw, tensors, path)


def _require_finite(raw: Any, tensors: Mapping[str, TensorInfo], path: Path) -> None:
    """Look at neighbours of one dtype together: that is three times as fast, and nearly always enough."""
    runs = [list(run) for _, run in groupby(tensors.values(), key=lambda tensor: tensor.dtype)]
    if not any(_has_non_finite(raw, run[0].dtype, run[0].start, run[-1].end) for run in runs):
        return
    bad = [name for name, info in tensors.items() if _has_non_finite(raw, info.dtype, info.start, info.end)]
    fix = "train again with a lower learning rate"
    raise AdapterRefused(Problem("holds NaN or infinity", str(path), _listed(bad), "finite numbers", fix))


def targeted(modules: Iterable[str], targets: Iterable[str]) -> dict[str, set[str]]:
    """The modules that PEFT's suffix rule selects, each with the targets that select it.

    >>> targeted(["layers.0.q_proj", "layers.0.k_proj"], ["q_proj"])
    {'layers.0.q_proj': {'q_proj'}}
    """
    wanted = set(targets)
    return {module: selecting for module in modules if (selecting := wanted & _suffixes(module))}


@lru_cache(maxsize=1 << 14)
def _suffixes(module: str) -> frozenset[str]:
    parts = module.split(".")
    return frozenset(".".join(parts[start:]) for start in range(len(parts)))


def _attempt(read: Callable[[Path], T], path: Path, problems: list[Problem]) -> T | None:
    try:
        return read(path)
    except AdapterRefused as error:
        problems += error.problems
        return None


def _spec(config: Mapping[str, Any], selected: Iterable[str]) -> AdapterSpec:
    scaling = scaling_of(config)
    assert scaling is not None, "config_problems lets no other configuration through"
    return AdapterSpec(
        rank=config["r"],
        alpha=float(config["lora_alpha"]),
        scaling=scaling,
        use_rslora=config.get("use_rslora", False),
        use_dora=config.get("use_dora", False),
        target_modules=tuple(sorted(config["target_modules"])),
        modules=tuple(sorted(selected)),
    )


def _target_problems(targets: Iterable[str], selected: Mapping[str, set[str]], where: str) -> list[Problem]:
    used = set[str]().union(*selected.values())
    return _fault("targets that name no linear module of this base", sorted(set(targets) - used), where)


def _tensor_problems(
    config: Mapping[str, Any],
    tensors: Mapping[str, TensorInfo],
    linear_shapes: Mapping[str, tuple[int, int]],
    selected: set[str] | None,
    where: str,
) -> list[Problem]:
    parts = (PART_A, PART_B, PART_MAGNITUDE) if valid(config, "use_dora") else (PART_A, PART_B)
    keys = {name: key for name in tensors if (key := _key_of(name, parts)) and key[0] in linear_shapes}
    present = {module for module, _ in keys.values()}
    wanted = present if selected is None else selected
    carrying = wanted & present
    missing = {(module, part) for module in carrying for part in parts} - set(keys.values())
    foreign = [name for name in tensors if name not in keys]
    wrong = _wrong_shapes(valid(config, "r"), tensors, keys, linear_shapes)
    other_base = "use the base that this adapter was trained on"
    return [
        *_fault("tensors that are not LoRA of a linear module of this base", foreign, where, fix=other_base),
        *_fault("tensors of modules that target_modules does not name", sorted(present - wanted), where),
        *_fault("targeted modules without tensors", sorted(wanted - present), where, fix=other_base),
        *_fault("missing tensors", sorted(PREFIX + module + part for module, part in missing), where),
        *_fault("tensors of a wrong shape", wrong, where, fix=other_base),
    ]


def _key_of(name: str, parts: Iterable[str]) -> TensorKey | None:
    for part in parts:
        if name.startswith(PREFIX) and name.endswith(part):
            return name[len(PREFIX) : -len(part)], part
    return None


def _wrong_shapes(
    rank: int | None,
    tensors: Mapping[str, TensorInfo],
    keys: Mapping[str, TensorKey],
    linear_shapes: Mapping[str, tuple[int, int]],
) -> list[str]:
    if rank is None:
        return []
    wrong = []
    for name, (module, part) in keys.items():
        rows, columns = linear_shapes[module]
        expected: dict[str, TensorShape] = {
            PART_A: (rank, columns),
            PART_B: (rows, rank),
            PART_MAGNITUDE: (rows,),
        }
        if tensors[name].shape != expected[part]:
            wrong.append(f"{name} {list(tensors[name].shape)} instead of {list(expected[part])}")
    return wrong


def _fault(what: str, names: Sequence[str], where: str, fix: str | None = None) -> list[Problem]:
    # One problem for each kind of fault: a wrong base has hundreds of wrong tensors.
    return [Problem(what, where, got=_listed(names), fix=fix)] if names else []


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(quoted(name) for name in names[:3]) + more


def _has_non_finite(raw: Any, dtype: str, start: int, end: int) -> bool:
    import numpy as np

    word, exponent = EXPONENTS[dtype]
    bits = np.frombuffer(raw, np.uint8)[start:end].view(word)
    pieces = (bits[at : at + PIECE] for at in range(0, len(bits), PIECE))
    return any(bool(((piece & exponent) == exponent).any()) for piece in pieces)
