"""A full disk or a kill at any moment leaves whole versions only, and the next publish works."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lora_marketing.common.errors import RegistryError
from lora_marketing.registry import AdapterRef, Registry
from tests.registry.making import NAME, manifest, tree, write_adapter

real_fsync = os.fsync


class Fsync:
    """Stands for os.fsync: every call is counted, the `fails_at`-th finds the disk full."""

    def __init__(self, fails_at: int) -> None:
        self.fails_at = fails_at
        self.calls = 0

    def __call__(self, descriptor: int) -> None:
        self.calls += 1
        if self.calls == self.fails_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real_fsync(descriptor)


def registry_with_a_version(folder: Path) -> Registry:
    registry = Registry(folder / "adapters")
    registry.publish(NAME, write_adapter(folder / "run"), manifest())
    return registry


def test_a_full_disk_at_any_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registry_with_a_version(tmp_path)
    before = registry.resolve(AdapterRef(NAME))
    files_before = tree(registry.root)
    told = set()
    for fails_at in range(1, 100):
        fsync = Fsync(fails_at)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            try:
                registry.publish(NAME, tmp_path / "run", manifest(seed=fails_at))
            except RegistryError as error:
                told.add(str(error))
            else:
                break
        assert list((registry.root / ".staging").iterdir()) == []
        assert all(registry.verify(version) == [] for version in registry.versions(NAME))
        assert not registry.damaged(NAME)
        if fsync.calls <= 5:  # three files, the manifest, the staging folder: no version has its name yet
            assert tree(registry.root) == files_before
            assert registry.resolve(AdapterRef(NAME)) == before
        version = registry.publish(NAME, tmp_path / "run", manifest(seed=fails_at))
        assert registry.resolve(AdapterRef(NAME)) == version
        registry.promote(AdapterRef(NAME, digest=before.digest), "candidate")
        files_before = tree(registry.root)
    assert fails_at == 12  # the folder of versions; the move, its folder and theirs; the alias and its folder
    assert all("No space left on device; " in said and "free " in said for said in told)
    for what in (
        "cannot be published",
        "a power cut",
        "was not moved to it",
        "older kits not see it",
    ):
        assert any(what in said for said in told)


def test_a_full_disk_while_copying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registry_with_a_version(tmp_path)
    before = tree(registry.root)

    def full(self: Path, mode: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "chmod", full)
        with pytest.raises(RegistryError, match=r"needed [\d,]+ bytes, free [\d,]+ bytes"):
            registry.publish(NAME, tmp_path / "run", manifest(seed=2))
    assert tree(registry.root) == before


def test_a_first_publish_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(tmp_path / "adapters")
    adapter = write_adapter(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Fsync(4))
        with pytest.raises(RegistryError, match="cannot be published"):
            registry.publish(NAME, adapter, manifest())
    assert tree(registry.root) == {}
    assert registry.names() == ()


def test_a_disk_that_has_no_room_for_the_registry_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = write_adapter(tmp_path / "run")

    def full(self: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        with pytest.raises(RegistryError, match=r"needed [\d,]+ bytes, free [\d,]+ bytes"):
            Registry(tmp_path / "not" / "there").publish(NAME, adapter, manifest())
    assert not (tmp_path / "not").exists()


def test_every_new_name_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of a new name is forced to the disk after it: also the first time, when all are new."""
    forced: list[str] = []

    def fsync(descriptor: int) -> None:
        forced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path))
        real_fsync(descriptor)

    adapter = write_adapter(tmp_path / "run")
    monkeypatch.setattr(os, "fsync", fsync)
    version = Registry(tmp_path / "adapters").publish(NAME, adapter, manifest())
    line = "adapters/ember/soap"
    folders = [name for name in forced if (tmp_path / name).is_dir()]
    made = [".", "adapters", "adapters", "adapters/ember", line, f"{line}/versions"]
    assert folders == [*made, line, line, f"{line}/moves", f"{line}/aliases"], "and the move before its alias"
    record = next(place for place, name in enumerate(forced) if name.endswith("/move.json"))
    assert record < forced.index(f"{line}/moves")
    published = {name for name in forced if name.startswith("adapters/.staging/")}
    assert {Path(name).name for name in published} >= {*version.manifest.files, "manifest.json"}


def test_an_interrupt_leaves_no_staging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = registry_with_a_version(tmp_path)
    before = tree(registry.root)

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        registry.publish(NAME, tmp_path / "run", manifest(seed=2))
    assert tree(registry.root) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from lora_marketing.registry import AdapterName, Manifest, Registry

folder, raw = Path(sys.argv[1]), sys.stdin.buffer.read()
manifest = Manifest.from_bytes(raw, folder)
real_fsync, calls = os.fsync, 0

def kill_at(limit):
    def fsync(descriptor):
        global calls
        calls += 1
        if calls == limit:
            os.kill(os.getpid(), signal.SIGKILL)
        real_fsync(descriptor)
    return fsync

for limit in range(1, 100):
    child = os.fork()
    if child == 0:
        os.fsync = kill_at(limit)
        Registry(folder / str(limit)).publish(AdapterName("ember", "soap"), folder / "run", manifest)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status))
    if status == 0:
        break
"""


def test_a_kill_at_any_moment(tmp_path: Path) -> None:
    write_adapter(tmp_path / "run")
    signals = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        input=manifest().canonical(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    ).stdout.split()
    assert [int(signum) for signum in signals] == [signal.SIGKILL] * (len(signals) - 1) + [0]
    assert len(signals) > 10
    left_behind = 0
    for limit in range(1, len(signals)):
        registry = Registry(tmp_path / str(limit))
        staging = registry.root / ".staging"
        left_behind += len(list(staging.iterdir())) if staging.is_dir() else 0
        assert not registry.damaged(NAME)
        for version in registry.versions(NAME):
            assert registry.verify(version) == []
        for digest in registry.aliases(NAME).values():
            assert registry.resolve(AdapterRef(NAME, digest=digest)).digest == digest
        version = registry.publish(NAME, tmp_path / "run", manifest())
        assert registry.names() == (NAME,)
        assert registry.versions(NAME) == (version,)
        assert registry.resolve(AdapterRef(NAME)) == version
    assert left_behind > 3


def test_what_a_kill_left_is_swept_after_a_day(tmp_path: Path) -> None:
    registry = registry_with_a_version(tmp_path)
    old, young = (registry.root / ".staging" / name for name in ("old", "young"))
    for folder in (old, young):
        write_adapter(folder)
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    registry.publish(NAME, tmp_path / "run", manifest(seed=2))
    assert not old.exists()
    assert young.exists()
    assert registry.names() == (NAME,)


def test_two_publishers_of_one_version(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "run")
    script = KILLED.split("real_fsync")[0] + (
        "name, registry = AdapterName('ember', 'soap'), Registry(folder / 'adapters')\n"
        "print(registry.publish(name, folder / 'run', manifest).digest)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(manifest().canonical())
        process.stdin.close()
    digests = set()
    for process in processes:
        assert process.stdout is not None
        with process.stdout:
            digests.add(process.stdout.read())
        assert process.wait(60) == 0
    registry = Registry(tmp_path / "adapters")
    assert len(digests) == 1
    assert len(registry.versions(NAME)) == 1
    assert adapter.is_dir()
