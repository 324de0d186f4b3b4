from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.common.errors import RegistryError
from lora_marketing.registry import AdapterName, AdapterRef
from tests.registry.making import property_test

slugs = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
digests = st.from_regex(r"[0-9a-f]{4,64}", fullmatch=True)
refs = st.builds(AdapterName, slugs, slugs).flatmap(
    lambda name: st.one_of(
        st.just(AdapterRef(name)),
        st.builds(AdapterRef, st.just(name), alias=slugs),
        st.builds(AdapterRef, st.just(name), digest=digests),
    )
)


@property_test
@given(refs)
def test_what_is_written_is_read_back(ref: AdapterRef) -> None:
    assert AdapterRef.parse(str(ref)) == ref


@property_test
@given(st.one_of(st.text(), st.text(alphabet="ab/.@:~\\-_\n\0é", max_size=12)))
def test_any_text_is_a_safe_name_or_a_registry_error(text: str) -> None:
    try:
        ref = AdapterRef.parse(text)
    except RegistryError as error:
        said = str(error)
    else:
        _check_safe(ref, text)
        return
    assert said.isascii()
    assert said.replace("\n", "").isprintable()


def _check_safe(ref: AdapterRef, text: str) -> None:
    assert str(ref) == text
    path = os.path.normpath(Path("/registry") / ref.name.brand / ref.name.line)
    assert path == f"/registry/{ref.name.brand}/{ref.name.line}"
    assert re.fullmatch(r"[a-z0-9_@:/-]+", text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ember", "brand/line@alias"),
        ("", "brand/line@alias"),
        ("../soap", "brand"),
        ("ember/..", "line"),
        ("/etc/passwd", "brand"),
        ("ember/soap/extra", "line"),
        ("ember\\soap", "brand/line"),
        ("Ember/soap", "brand"),
        ("еmber/soap", "brand"),  # a Cyrillic e
        ("ember/soap１", "line"),  # a full-width digit
        ("ember/soap\n", "line"),
        ("ember/" + "a" * 64, "line"),
        ("ember/soap@", "alias"),
        ("ember/soap@../prod", "alias"),
        ("ember/soap:", "digest"),
        ("ember/soap:abc", "digest"),
        ("ember/soap:ABCDEF", "digest"),
        ("ember/soap:abcd@prod", "together"),
    ],
)
def test_a_bad_name_is_told(text: str, said: str) -> None:
    with pytest.raises(RegistryError, match=said) as caught:
        AdapterRef.parse(text)
    assert "allowed" in str(caught.value)


def test_both_bad_parts_are_told_at_once() -> None:
    with pytest.raises(RegistryError) as caught:
        AdapterName("..", "/")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(("size", "told"), [(80, "/" * 80), (81, "/" * 77 + "...")])
def test_a_long_name_is_not_told_whole(size: int, told: str) -> None:
    with pytest.raises(RegistryError) as caught:
        AdapterName("/" * size, "soap")
    (problem,) = caught.value.problems
    assert problem.got == repr(told)
