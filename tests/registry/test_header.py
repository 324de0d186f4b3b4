from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save, save_file

from lora_marketing.common.errors import AdapterRefused
from lora_marketing.registry import header
from lora_marketing.registry.header import TensorInfo, quoted, read_header
from tests.registry.making import lora_tensors, property_test, raw_safetensors


def entry(start: int = 0, end: int = 8, shape: Any = (2,), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_reads_what_safetensors_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(lora_tensors() | {"half": np.ones((3, 1), "float16")}, path, metadata={"format": "pt"})
    raw, tensors = path.read_bytes(), read_header(path)
    assert [info.start for info in tensors.values()] == sorted(info.start for info in tensors.values())
    for name, value in load_file(path).items():
        info = tensors.pop(name)
        assert info.shape == value.shape
        assert raw[info.start : info.end] == value.tobytes()
    assert not tensors


@property_test
@given(st.data())
def test_flipped_bytes_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(save(lora_tensors()))
    length = 8 + int.from_bytes(raw[:8], "little")
    places = st.integers(0, length - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        raw[place] = data.draw(st.integers(0, 255))
    _read_or_refused(tmp_path / "a", bytes(raw))


@property_test
@given(st.integers(0, 2_000), st.binary(max_size=20))
def test_cut_and_grown_files_are_refused(tmp_path: Path, cut: int, more: bytes) -> None:
    raw = save(lora_tensors())
    changed = raw[: max(len(raw) - cut, 0)] + more
    if len(changed) != len(raw):
        (tmp_path / "a").write_bytes(changed)
        with pytest.raises(AdapterRefused):
            read_header(tmp_path / "a")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
odd_entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "I8", None, 3]),
        "shape": st.lists(st.integers(-1, 2**70), max_size=10) | json_values,
        "data_offsets": st.lists(st.integers(-1, 2**70), max_size=3) | json_values,
    }
)


@property_test
@given(st.dictionaries(st.text(), odd_entries | json_values, max_size=4), st.binary(max_size=16))
def test_odd_headers_are_read_or_refused(tmp_path: Path, entries: dict[str, Any], data: bytes) -> None:
    _read_or_refused(tmp_path / "a", raw_safetensors(entries, data))


def _read_or_refused(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    try:
        tensors = read_header(path)
    except AdapterRefused as error:
        said = str(error)
    else:
        data = len(raw) - 8 - int.from_bytes(raw[:8], "little")
        assert sum(info.end - info.start for info in tensors.values()) == data
        return
    assert said.isascii()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "cut short"),
        (b"\x05\0\0\0\0\0\0\0{}", "cut short"),
        (b"\xff" * 16, "cut short"),
        (raw_safetensors(b"[]"), "not a JSON object"),
        (raw_safetensors(b'{"a": 1, "a": 2}'), "given twice"),
        (raw_safetensors(b'{"a": ' + b"[" * 50_000), "nested"),
        (raw_safetensors({"__metadata__": {"a": 1}}), "__metadata__"),
        (raw_safetensors({"__metadata__": []}), "__metadata__"),
        (raw_safetensors({"a": entry() | {"more": 1}}, bytes(8)), "not an object of"),
        (raw_safetensors({"a": entry(dtype="I64", end=16)}, bytes(16)), "dtype 'I64'"),
        (raw_safetensors({"a": entry(dtype="F64", end=16)}, bytes(16)), "dtype 'F64'"),
        (raw_safetensors({"a": entry(shape=[])}, bytes(8)), "shape"),
        (raw_safetensors({"a": entry(shape=[0], end=0)}), "shape"),
        (raw_safetensors({"a": entry(shape=[-1, -2])}, bytes(8)), "shape"),
        (raw_safetensors({"a": entry(shape=[True, 2])}, bytes(8)), "shape"),
        (raw_safetensors({"a": entry(shape=[2.0])}, bytes(8)), "shape"),
        (raw_safetensors({"a": entry(shape=[1] * 9 + [2])}, bytes(8)), "shape"),
        (raw_safetensors({"a": entry(shape=[10**400] * 8)}, bytes(8)), "shape"),
        (raw_safetensors({"a": entry(end=4)}, bytes(4)), "4 bytes where its shape needs 8"),
        (raw_safetensors({"a": entry(start=8, end=0)}, bytes(8)), "where its shape needs"),
        (raw_safetensors({"a": entry()}, bytes(9)), "not exactly its tensors"),
        (raw_safetensors({"a": entry()}, bytes(7)), "not exactly its tensors"),
        (raw_safetensors({"a": entry(4, 12)}, bytes(12)), "leaves a gap"),
        (raw_safetensors({"a": entry(), "b": entry(4, 12)}, bytes(12)), "overlaps"),
        (raw_safetensors({"a": entry(), "b": entry()}, bytes(8)), "overlaps"),
    ],
)
def test_what_is_refused(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "a").write_bytes(raw)
    with pytest.raises(AdapterRefused, match=said):
        read_header(tmp_path / "a")


def test_a_malformed_name_cannot_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(raw_safetensors({"\x1b[2J\ud800" + "x" * 500: None}))
    with pytest.raises(AdapterRefused) as caught:
        read_header(tmp_path / "a")
    assert str(caught.value).isascii()
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_caps_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write((header.MAX_HEADER + 1).to_bytes(8, "little"))
        file.truncate(header.MAX_HEADER + 9)
    with pytest.raises(AdapterRefused, match="too long a header"):
        read_header(path)
    monkeypatch.setattr(header, "MAX_TENSORS", 1)
    path.write_bytes(raw_safetensors({"a": entry(), "b": entry(8, 16)}, bytes(16)))
    with pytest.raises(AdapterRefused, match="too many tensors"):
        read_header(path)


def test_no_tensors_is_a_valid_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(raw_safetensors({"__metadata__": {"format": "pt"}}))
    assert read_header(tmp_path / "a") == {}


def test_offsets_are_of_the_file(tmp_path: Path) -> None:
    text = json.dumps({"a": entry()}).encode()
    (tmp_path / "a").write_bytes(raw_safetensors(text, bytes(8)))
    start = 8 + len(text)
    assert read_header(tmp_path / "a") == {"a": TensorInfo("F32", (2,), start, start + 8)}


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(raw_safetensors({}))
    (tmp_path / "link").symlink_to("real")
    os.mkfifo(tmp_path / "pipe")
    for name, said in [("link", "link"), ("pipe", "regular"), (".", "regular"), ("none", "No such file")]:
        with pytest.raises(AdapterRefused, match=said):
            read_header(tmp_path / name)


@pytest.mark.parametrize(("size", "told"), [(120, "x" * 120), (121, "x" * 117 + "...")])
def test_a_long_name_is_not_told_whole(size: int, told: str) -> None:
    assert quoted("x" * size) == repr(told)
