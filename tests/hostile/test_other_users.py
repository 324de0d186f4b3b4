"""What belongs to a client is not for everybody on the machine to read, whatever the umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lora_marketing.common.files import make_private
from lora_marketing.registry import AdapterRef, Registry
from lora_marketing.review import Queue
from lora_marketing.serving.keys import add_key
from lora_marketing.text.known_texts import KnownTexts
from tests.registry.making import NAME, manifest, write_adapter


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(root: Path) -> set[int]:
    """All permissions below a folder, and its own."""
    return {path.lstat().st_mode & 0o777 for path in (root, *root.rglob("*"))}


def published(root: Path, folder: Path) -> Registry:
    adapter = write_adapter(folder / "made")
    (adapter / "known_texts.bin").write_bytes(KnownTexts.of(["It floats."]).to_bytes())
    registry = Registry(root)
    registry.publish(NAME, adapter, manifest())
    registry.promote(AdapterRef(NAME), "prod")
    return registry


def test_a_registry_is_its_owners(tmp_path: Path) -> None:
    published(tmp_path / "new" / "adapters", tmp_path)
    assert modes(tmp_path / "new" / "adapters") == {0o700, 0o400}


def test_a_group_that_may_read_the_registry_keeps_reading(tmp_path: Path) -> None:
    root = tmp_path / "adapters"
    root.mkdir(0o750)
    registry = published(root, tmp_path)
    assert modes(root) == {0o750, 0o440}
    assert registry.verify(registry.resolve(AdapterRef(NAME))) == []
    root.chmod(0o755)  # nor does the whole machine, where it may see what is in the folder
    registry.publish(NAME, tmp_path / "made", manifest(seed=2))
    assert modes(root) == {0o755, 0o750, 0o440}


def test_a_queue_and_keys_are_their_owners(tmp_path: Path) -> None:
    folder = tmp_path / "review"
    make_private(folder / "deep")
    folder.chmod(0o700)
    with Queue(folder / "review.db", create=True):
        add_key(folder / "keys.json", "cem", ["ember"], None)
        assert modes(folder) == {0o700, 0o600} | modes(folder / "deep")
    assert modes(folder / "deep") <= {0o700, 0o750}
