from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.common import strict_json
from tests.registry.making import property_test

texts = st.text(alphabet=st.characters(codec="utf-8"))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


@property_test
@given(values)
def test_what_is_written_is_read_back(value: object) -> None:
    text = strict_json.dumps(value)
    assert strict_json.loads(text.encode()) == value == json.loads(text)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a": 1, "a": 1}', "given twice: 'a'"),
        (b'[{"x": {"b": 1, "\\u0062": 2}}]', "given twice: 'b'"),
        (b"[NaN]", "NaN"),
        (b"-Infinity", "Infinity"),
        (b"1e999", "too large"),
        (b"\xff", "utf-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"[" * 100_000, "nested"),
        (b"9" * 5_000, "digits"),
        (b"{} {}", "Extra data"),
        (b"", "Expecting value"),
    ],
)
def test_ambiguous_json_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(strict_json.NotStrictJson, match=said):
        strict_json.loads(raw)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": {1, 2}}, {1: "a", "b": 2}])
def test_what_json_cannot_hold_is_not_written(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        strict_json.dumps(value)
