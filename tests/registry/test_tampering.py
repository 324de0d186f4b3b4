"""Whatever is changed in a published version is found."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.common.errors import RegistryError
from lora_marketing.registry import AdapterRef, Registry, Version
from lora_marketing.text.known_texts import KnownTexts
from tests.registry.making import NAME, manifest, property_test, write_adapter

FILES = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "README.md",
    "loss.png",
    "known_texts.bin",
    "manifest.json",
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, Version]:
    root = tmp_path_factory.mktemp("registry")
    adapter = write_adapter(root / "run")
    (adapter / "loss.png").write_bytes(b"png")
    (adapter / "known_texts.bin").write_bytes(KnownTexts.of(["It floats."]).to_bytes())
    registry = Registry(root / "adapters")
    return registry, registry.publish(NAME, adapter, manifest())


@property_test
@given(name=st.sampled_from(FILES), place=st.integers(0), change=st.integers(1, 255))
def test_any_changed_byte_is_found(
    original: tuple[Registry, Version], name: str, place: int, change: int
) -> None:
    registry, version = original
    path = version.folder / name
    raw = path.read_bytes()
    altered = bytearray(raw)
    altered[place % len(raw)] ^= change
    path.chmod(0o644)
    path.write_bytes(altered)
    try:
        assert any(name in str(problem) for problem in registry.verify(version))
    finally:
        path.write_bytes(raw)
    assert registry.verify(version) == []


def _unlink(folder: Path) -> None:
    (folder / "README.md").unlink()


def _add(folder: Path) -> None:
    (folder / "adapter_model.bin").touch()


def _link_same_content(folder: Path) -> None:
    shutil.copy(folder / "README.md", folder.parent / "elsewhere")
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(folder.parent / "elsewhere")


def _folder_for_file(folder: Path) -> None:
    (folder / "README.md").unlink()
    (folder / "README.md").mkdir()


def _rename(folder: Path) -> None:
    (folder / "README.md").rename(folder / "loss.png")


def _link_folder(folder: Path) -> None:
    folder.rename(folder.parent / "moved")
    folder.symlink_to("moved")


def _remove_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def _no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _alias_of_another_digest(folder: Path) -> None:
    path = folder.parent.parent / "aliases" / "prod"
    path.write_text(folder.name + "0" * 48 + "\n")


@pytest.mark.parametrize(
    "tamper",
    [
        _unlink,
        _add,
        _link_same_content,
        _folder_for_file,
        _rename,
        _link_folder,
        _remove_folder,
        _no_manifest,
        _alias_of_another_digest,
    ],
)
def test_any_changed_name_is_found(tmp_path: Path, tamper: Callable[[Path], None]) -> None:
    registry = Registry(tmp_path / "adapters")
    version = registry.publish(NAME, write_adapter(tmp_path / "run"), manifest())
    assert registry.verify(version) == []
    tamper(version.folder)
    assert registry.verify(version)


def test_a_changed_manifest_is_not_resolved(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "adapters")
    adapter = write_adapter(tmp_path / "run")
    version = registry.publish(NAME, adapter, manifest())
    kept = registry.publish(NAME, adapter, manifest(seed=2))
    path = version.folder / "manifest.json"
    path.chmod(0o644)
    path.write_bytes(version.manifest.model_copy(update={"seed": 99}).canonical())
    with pytest.raises(RegistryError, match="was changed after it was published"):
        registry.resolve(AdapterRef(NAME, digest=version.digest))
    assert registry.versions(NAME) == (kept,)
    assert len(registry.damaged(NAME)) == 1


@pytest.mark.parametrize("text", ["", "prod", "../../../etc/passwd", "A" * 64, "a" * 65, "x" * 5_000])
def test_a_changed_alias_is_not_followed(tmp_path: Path, text: str) -> None:
    registry = Registry(tmp_path / "adapters")
    registry.publish(NAME, write_adapter(tmp_path / "run"), manifest())
    path = registry.root / "ember/soap/aliases/candidate"
    path.chmod(0o644)
    path.write_text(text)
    with pytest.raises(RegistryError, match="candidate"):
        registry.resolve(AdapterRef(NAME))


def test_a_linked_alias_is_not_followed(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "adapters")
    registry.publish(NAME, write_adapter(tmp_path / "run"), manifest())
    path = registry.root / "ember/soap/aliases/candidate"
    path.rename(tmp_path / "alias")
    path.symlink_to(tmp_path / "alias")
    with pytest.raises(RegistryError, match="symbolic link"):
        registry.resolve(AdapterRef(NAME))


def test_another_digest_with_the_same_folder_is_found(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "adapters")
    version = registry.publish(NAME, write_adapter(tmp_path / "run"), manifest())
    problems = registry.verify(replace(version, digest=version.digest[:16] + "0" * 48))
    assert [problem.what for problem in problems] == ["is another manifest"]


def test_a_manifest_in_another_spelling_is_found(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "adapters")
    version = registry.publish(NAME, write_adapter(tmp_path / "run"), manifest())
    raw = version.manifest.canonical() + b"\n"
    digest = hashlib.sha256(raw).hexdigest()
    folder = version.folder.rename(version.folder.with_name(digest[:16]))
    (folder / "manifest.json").chmod(0o644)
    (folder / "manifest.json").write_bytes(raw)
    respelled = registry.resolve(AdapterRef(NAME, digest=digest))
    assert [problem.what for problem in registry.verify(respelled)] == ["is another manifest"]


def test_a_manifest_that_lists_no_readme_is_found(tmp_path: Path) -> None:
    """Nothing is missing on the disk that it speaks of, and its folder has its name."""
    registry = Registry(tmp_path / "adapters")
    version = registry.publish(NAME, write_adapter(tmp_path / "run"), manifest())
    files = {name: hash for name, hash in version.manifest.files.items() if name != "README.md"}
    shorter = version.manifest.model_copy(update={"files": files})
    folder = version.folder.rename(version.folder.with_name(shorter.digest[:16]))
    (folder / "README.md").unlink()
    (folder / "manifest.json").chmod(0o644)
    (folder / "manifest.json").write_bytes(shorter.canonical())
    found = registry.resolve(AdapterRef(NAME, digest=shorter.digest))
    (problem,) = registry.verify(found)
    assert (problem.what, problem.where) == ("manifest lists no README.md", str(folder / "manifest.json"))
