"""Files that are whole or absent, and outputs that are refused before the work."""

from __future__ import annotations

import errno
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lora_marketing.common.documents import packaged_document
from lora_marketing.common.errors import OutputError
from lora_marketing.common.files import (
    appearing,
    check_writable,
    read_resource,
    shown,
    write_atomic,
    write_output,
)
from tests.making import ROOT

PACKAGE = ROOT / "lora_marketing"
MODULES = {
    path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")
}


@pytest.mark.parametrize("call", ["fsync", "fchmod", "fdopen"])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_full_disk_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, before: str | None
) -> None:
    path = tmp_path / "kept.json"
    if before is not None:
        path.write_text(before)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space left"):
            write_atomic(path, "new", mode=0o600)
    assert list(tmp_path.iterdir()) == ([] if before is None else [path])
    assert before is None or path.read_text() == before


def test_the_file_is_on_the_disk_before_it_has_its_name_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, steps = tmp_path / "kept.json", []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        steps.append(("folder", path.exists()) if is_folder else ("file", os.fstat(handle).st_size))
        real_fsync(handle)

    def replace(self: Path, target: Path) -> Path:
        steps.append(("renamed", self.read_text()))
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_atomic(path, "héllo\n")
    assert steps == [("file", 7), ("renamed", "héllo\n"), ("folder", True)]
    assert path.read_bytes() == "héllo\n".encode()


def test_permissions_stay_unless_they_are_given(tmp_path: Path) -> None:
    path = tmp_path / "file"
    mask = os.umask(0o027)
    try:
        write_atomic(path, b"1")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    write_atomic(path, b"2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    write_atomic(path, b"3", mode=0o400)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert path.read_bytes() == b"3"


def test_an_unfinished_file_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "staging").mkdir()
    seen = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (seen.append(os.listdir(tmp_path / "staging")), real(handle))
    )
    write_atomic(tmp_path / "file", b"x", staging=tmp_path / "staging")
    assert [len(names) for names in seen] == [1, 0]


def test_an_output_goes_through_links_and_pipes_and_makes_its_folders(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    for text in ("one", "two"):
        write_output(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    write_output(tmp_path / "a" / "b" / "file", b"bytes")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"bytes"
    script = "from lora_marketing.common.files import *; write_output(Path('/dev/stdout'), 'through a pipe')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "through a pipe"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "link", "target"]


def test_all_outputs_that_cannot_be_written_are_told_at_once_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    good = (None, Path("new.json"), Path("a/b/new.json"), Path("file"), Path("/dev/null"))
    bad = (Path("."), Path("file/new.json"), Path("/proc/new.json"), Path("x" * 300))
    check_writable(*good)
    with pytest.raises(OutputError) as refused:
        check_writable(*good, *bad)
    assert [problem.where for problem in refused.value.problems] == [shown(path) for path in bad]
    assert [problem.got for problem in refused.value.problems][:2] == ["a folder", "Not a directory"]
    assert all(problem.what and problem.got and problem.fix for problem in refused.value.problems)
    check_writable(None, Path("."), Path("a/b"), folder=True)
    with pytest.raises(OutputError) as refused:
        check_writable(Path("file"), Path("file/a"), Path("/proc/a"), folder=True)
    assert len(refused.value.problems) == 3
    for path in bad:
        with pytest.raises(OutputError):
            write_output(path, "text")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert Path("file").read_text() == ""


def test_what_may_not_be_changed_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rename would replace a read-only file, where the folder allows it."""
    path = tmp_path / "kept.json"
    path.write_text("old")
    monkeypatch.setattr(os, "access", lambda place, how: Path(place) != path)  # as for anyone but root
    with pytest.raises(OutputError, match="Permission denied"):
        write_output(path, "new")
    assert path.read_text() == "old"


def test_a_disk_that_fills_while_an_output_is_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device") as refused:
        write_output(tmp_path / "kept.json", "text")
    assert "make room" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_files_of_the_kit_are_read_by_package() -> None:
    assert read_resource("lora_marketing.evaluation", "report.html.jinja").startswith("<!doctype html>")
    document = packaged_document("lora_marketing.bases", "catalogue.yaml")
    assert document.path.name == "catalogue.yaml"
    assert set(document.value) == {path[0] for path in document.places if len(path) == 1}


def test_one_place_writes_atomically_and_one_reads_what_is_packed() -> None:
    """Renaming a file that was just written is the business of `common/files.py`, and so is forcing it to the
    disk; the registry makes read-only files besides."""
    renames = re.compile(r"os\.replace\(|os\.rename\(|\.rename\(|mkstemp|NamedTemporaryFile")
    forces, packed = re.compile(r"\bfsync\("), re.compile(r"\bas_file\b")
    names = {
        what.pattern: {path for path, text in MODULES.items() if what.search(text)}
        for what in (renames, forces, packed)
    }
    assert names == {
        renames.pattern: {"common/files.py", "runs/owner.py", "training/checkpoints.py"},  # a claim, folders
        forces.pattern: {"common/files.py", "registry/files.py"},
        packed.pattern: {"common/documents.py"},
    }


def test_what_a_killed_process_left_of_a_folder_is_removed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from lora_marketing.common.files import appearing\n"
        "with appearing(Path(sys.argv[1])) as staging:\n"
        "    (staging / 'half').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    target = tmp_path / "base"
    subprocess.run([sys.executable, "-c", code, str(target)], cwd=ROOT, check=False)
    (left,) = tmp_path.iterdir()
    with appearing(target) as staging, appearing(tmp_path / "other"):
        assert not left.exists()
        assert staging.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"base", "other"}
