"""Damage is told where it is, and hides nothing else; a linked folder is refused by every command alike."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lora_marketing.cli import main
from lora_marketing.common.errors import RegistryError
from lora_marketing.registry import AdapterName, AdapterRef, Registry, Version
from tests.registry.making import NAME, manifest, write_adapter

OTHER = AdapterName("lumen", "serum")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "adapters")


@pytest.fixture
def version(registry: Registry, tmp_path: Path) -> Version:
    """What three aliases name."""
    made = registry.publish(NAME, write_adapter(tmp_path / "run"), manifest())
    for alias in ("prod", "next"):
        registry.promote(AdapterRef(NAME), alias)
    return made


def called(capsys: pytest.CaptureFixture[str], registry: Registry, *arguments: str) -> tuple[int, str]:
    """Exit code and all that was said."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["lora-marketing", "adapters", *arguments, "--adapters", str(registry.root)]
        )
        with pytest.raises(SystemExit) as ended:
            main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


def as_text(path: Path, raw: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(raw)


def as_folder(path: Path, raw: bytes) -> None:
    path.unlink()
    path.mkdir()


def as_pipe(path: Path, raw: bytes) -> None:
    path.unlink()
    os.mkfifo(path)


def as_link(path: Path, raw: bytes) -> None:
    path.unlink()
    path.symlink_to("next")


@pytest.mark.parametrize("raw", [b"", b"prod\n", b"\xff\0" * 32, b"a" * 10_000])
@pytest.mark.parametrize("damage", [as_text, as_folder, as_pipe, as_link])
def test_a_damaged_alias_hides_no_other(
    registry: Registry,
    version: Version,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path, bytes], None],
    raw: bytes,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    damage(registry.root / "ember/soap/aliases/prod", raw)
    assert registry.aliases(NAME) == {"candidate": version.digest, "next": version.digest}
    assert registry.resolve(AdapterRef(NAME, "next")) == version
    for ref in (AdapterRef(NAME, "prod"), AdapterRef(NAME)):  # never another one in its place
        with pytest.raises(RegistryError, match="aliases/prod"):
            registry.resolve(ref)
    for command, code in (("list", 0), ("verify", 2)):
        ended, said = called(capsys, registry, command)
        assert ended == code
        assert "aliases/prod" in said
        assert version.digest[:16] in said
    ended, said = called(capsys, registry, "verify", "ember/soap@next")
    assert ended == 2
    assert "aliases/prod" in said


@pytest.mark.parametrize("linked", ["ember", "ember/soap", "ember/soap/versions", "ember/soap/aliases"])
def test_a_linked_folder_is_refused_by_every_command(
    registry: Registry, version: Version, capsys: pytest.CaptureFixture[str], tmp_path: Path, linked: str
) -> None:
    other = registry.publish(OTHER, tmp_path / "run", manifest(OTHER))
    folder = registry.root / linked
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    assert registry.names() == (OTHER,)
    for ask in (registry.versions, registry.aliases, registry.history, registry.damaged):
        with pytest.raises(RegistryError, match="is a symbolic link"):
            ask(NAME)
    with pytest.raises(RegistryError, match="is a symbolic link"):
        registry.publish(NAME, tmp_path / "run", manifest(seed=2))
    for arguments, code in (
        (["list"], 0),
        (["verify"], 2),
        (["verify", "ember/soap"], 2),
        (["show", "ember/soap"], 2),
        (["promote", "ember/soap", "next"], 2),
        (["rollback", "ember/soap"], 2),
    ):
        ended, said = called(capsys, registry, *arguments)
        assert ended == code, said
        assert f"{folder}: is a symbolic link" in said
        assert "Traceback" not in said
    assert registry.resolve(AdapterRef(OTHER)) == other
    assert not list((tmp_path / "moved").rglob("*.new")), "nothing was written through the link"


def test_a_linked_registry_is_followed(registry: Registry, version: Version, tmp_path: Path) -> None:
    """Where it lies is the user's business."""
    (tmp_path / "link").symlink_to(registry.root)
    linked = Registry(tmp_path / "link")
    assert linked.names() == (NAME,)
    assert linked.links() == []


def test_verifying_nothing_is_no_success(
    registry: Registry, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for arguments in ([], ["ember/soap"], ["ember/soap@prod"], ["ember/soap:0123"]):
        ended, said = called(capsys, registry, "verify", *arguments)
        assert ended == 2
        assert "adapter" in said
    (registry.root / "ember/soap/versions").mkdir(parents=True)
    assert called(capsys, registry, "verify")[0] == 2
    assert called(capsys, registry, "verify", "ember/soap")[0] == 2
