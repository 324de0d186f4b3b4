"""What a version was trained on: read as it was published, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lora_marketing.common.errors import AdapterRefused
from lora_marketing.registry import Registry, Version, known_texts
from lora_marketing.text.known_texts import KnownTexts
from tests.registry.making import NAME, manifest, write_adapter

TEXTS = ("It floats, and it floats well in any bath of the house.", "山里的早晨很安静，只听见水壶轻轻作响。")
KNOWN = KnownTexts.of(TEXTS)


def published(folder: Path, raw: bytes | None) -> Version:
    adapter = write_adapter(folder / "run")
    if raw is not None:
        (adapter / "known_texts.bin").write_bytes(raw)
    return Registry(folder / "adapters").publish(NAME, adapter, manifest())


def test_it_is_what_was_published(tmp_path: Path) -> None:
    version = published(tmp_path, KNOWN.to_bytes())
    found = known_texts(version)
    assert found == KNOWN
    assert all(found.overlap(text).whole for text in TEXTS)
    assert not any(text.encode() in path.read_bytes() for text in TEXTS for path in version.folder.iterdir())


def test_a_version_without_it_is_whole(tmp_path: Path) -> None:
    version = published(tmp_path, None)
    assert known_texts(version) is None
    assert Registry(tmp_path / "adapters").verify(version) == []


def _other(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(KnownTexts.of(TEXTS[:1]).to_bytes())


def _link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


@pytest.mark.parametrize("tamper", [_other, _link, Path.unlink])
def test_another_file_in_its_place_is_refused(tmp_path: Path, tamper: Callable[[Path], None]) -> None:
    version = published(tmp_path, KNOWN.to_bytes())
    tamper(version.folder / "known_texts.bin")
    with pytest.raises(AdapterRefused, match=r"known_texts\.bin"):
        known_texts(version)


def test_garbage_that_was_published_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdapterRefused, match=r"known_texts\.bin: is not a file of known texts"):
        known_texts(published(tmp_path, b"garbage"))
