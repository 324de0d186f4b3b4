"""A strict reader of safetensors headers: it knows every byte of the file, or refuses the file.

The safetensors library accepts duplicate names and a million empty tensors (8 s, 870 MB), so
nothing from outside reaches it before this reader has seen it.
Format: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from lora_marketing.common import strict_json
from lora_marketing.common.errors import AdapterRefused, Problem
from lora_marketing.registry.files import open_regular

MAX_HEADER = 10_000_000
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 8
MAX_SHOWN = 20
ITEM_SIZE = {"F32": 4, "F16": 2, "BF16": 2}

_LENGTH_BYTES = 8


@dataclass(frozen=True)
class TensorInfo:
    """One tensor: its dtype (F32, F16 or BF16), its shape, and its bytes `[start, end)` of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class _Malformed(ValueError):
    """Why one entry of a header is refused."""


def read_header(path: Path) -> dict[str, TensorInfo]:
    """The tensors of a safetensors file by name, in the order of their bytes.

    Raises:
        AdapterRefused: no regular file, too long a header or too many tensors, a name given twice,
            another dtype, or tensors that do not cover the file exactly once.
    """
    with open_regular(path) as file:
        return header_of(file, os.fstat(file.fileno()).st_size, path)


def header_of(file: BinaryIO, size: int, path: Path) -> dict[str, TensorInfo]:
    """`read_header` of an open file of `size` bytes, or of bytes in memory; `path` is for messages."""
    raw = _raw_header(file, size, path)
    try:
        return dict(_tensors(raw, size))
    except AdapterRefused as error:
        raise AdapterRefused(replace(problem, where=str(path)) for problem in error.problems) from None


@lru_cache(maxsize=64)
def _tensors(raw: bytes, size: int) -> Mapping[str, TensorInfo]:
    """What a header says of a file of `size` bytes. Adapters of one recipe have the very same header."""
    entries = _entries(raw)
    data_start = _LENGTH_BYTES + len(raw)
    tensors, problems = {}, []
    for name, entry in entries.items():
        try:
            tensors[name] = _tensor(entry, data_start)
        except _Malformed as error:
            problems.append(Problem(f"tensor {quoted(name)} is malformed", got=str(error)))
    if problems:
        raise AdapterRefused(islice(problems, MAX_SHOWN))
    ordered = dict(sorted(tensors.items(), key=lambda item: item[1].start))
    _check_coverage(ordered, data_start, size)
    return ordered


def quoted(name: str) -> str:
    """A name from outside as plain ASCII: it cannot move the cursor or fill the screen.

    >>> quoted("a\\x1b[2J")
    "'a\\\\x1b[2J'"
    """
    return ascii(name if len(name) <= 120 else name[:117] + "...")


def _raw_header(file: BinaryIO, size: int, path: Path) -> bytes:
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if size < _LENGTH_BYTES or length > size - _LENGTH_BYTES:
        raise _refused(path, "is cut short", f"{size:,} bytes, header of {length:,} bytes")
    if length > MAX_HEADER:
        raise _refused(path, "has too long a header", f"{length:,} bytes", f"at most {MAX_HEADER:,}")
    raw = file.read(length)
    if len(raw) < length:
        raise _refused(path, "is being written", fix="wait for the writer, then try again")
    return raw


def _entries(raw: bytes) -> dict[str, Any]:
    try:
        entries = strict_json.loads(raw)
    except strict_json.NotStrictJson as error:
        raise _refused(None, "has a header that is not strict JSON", str(error)) from error
    if not isinstance(entries, dict):
        raise _refused(None, "has a header that is not a JSON object")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _refused(None, "has __metadata__ that is not a map of texts")
    if len(entries) > MAX_TENSORS:
        raise _refused(None, "has too many tensors", f"{len(entries):,}", f"at most {MAX_TENSORS:,}")
    return entries


def _tensor(entry: Any, data_start: int) -> TensorInfo:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _Malformed("not an object of dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZE:
        raise _Malformed(f"dtype {quoted(str(dtype))}; allowed: {', '.join(ITEM_SIZE)}")
    if not _integers(shape, 1) or not 1 <= len(shape) <= MAX_DIMENSIONS:
        raise _Malformed(f"shape is not 1 to {MAX_DIMENSIONS} positive integers")
    if not _integers(offsets, 0) or len(offsets) != 2:
        raise _Malformed("data_offsets are not two integers")
    start, end = offsets
    needed = math.prod(shape) * ITEM_SIZE[dtype]
    if end - start != needed:
        raise _Malformed(f"{end - start:,} bytes where its shape needs {needed:,}")
    return TensorInfo(dtype, tuple(shape), data_start + start, data_start + end)


def _integers(value: Any, least: int) -> bool:
    # `type` and not `isinstance`: true and false are integers to Python.
    # The upper bound keeps hostile products small.
    if not isinstance(value, list) or any(type(item) is not int for item in value):
        return False
    return not value or (least <= min(value) and max(value) < 1 << 53)


def _check_coverage(tensors: dict[str, TensorInfo], data_start: int, size: int) -> None:
    position = data_start
    for name, tensor in tensors.items():
        if tensor.start != position:
            what = "overlaps the tensor before it" if tensor.start < position else "leaves a gap before it"
            raise _refused(None, f"tensor {quoted(name)} {what}", f"byte {tensor.start:,}", f"{position:,}")
        position = tensor.end
    if position != size:
        raise _refused(None, "is not exactly its tensors", f"{size:,} bytes", f"{position:,} bytes")


def _refused(
    path: Path | None, what: str, got: str | None = None, allowed: str | None = None, fix: str | None = None
) -> AdapterRefused:
    return AdapterRefused(Problem(what, str(path) if path else None, got, allowed, fix))
