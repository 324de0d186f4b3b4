"""Work that has no name yet, and what the disk says when it does not fit."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from lora_marketing.common.errors import Problem, RegistryError
from lora_marketing.common.files import flush_folder, make_private
from lora_marketing.registry.files import make_folder

STALE_SECONDS = 24 * 3600

_OWNED = re.compile(r"(?P<machine>[0-9a-f]{12})-(?P<pid>\d+)-(?P<started>\d+)-[0-9a-f]{16}")


@contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """A new folder on the file system of `root`, gone afterwards unless it was renamed."""
    if not root.is_dir():
        make_folder(root.parent)
        root.mkdir(0o700, exist_ok=True)
        flush_folder(root.parent)
    parent = root / ".staging"
    make_folder(parent)
    _sweep(parent)
    pid = os.getpid()
    staging = parent / f"{_machine()}-{pid}-{_started(pid) or 0}-{secrets.token_hex(8)}"
    make_private(staging)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def disk_errors_told(root: Path, what: str, needed: int | None = None) -> Iterator[None]:
    """Turn an OSError into a RegistryError that tells the bytes needed and the bytes free."""
    try:
        yield
    except OSError as error:
        existing = next(path for path in (root, *root.absolute().parents) if path.exists())
        sizes = [] if needed is None else [f"needed {needed:,} bytes"]
        sizes.append(f"free {shutil.disk_usage(existing).free:,} bytes")
        got = f"{error.strerror}; {', '.join(sizes)}"
        problem = Problem(what, str(root), got, fix="put that right, then repeat")
        raise RegistryError(problem) from error


def _sweep(parent: Path) -> None:
    """Remove what processes that are no more left behind: those of this machine at once, others
    a day later."""
    for entry in parent.iterdir():
        with suppress(FileNotFoundError):  # another process may be sweeping too
            if _is_orphan(entry.name) or entry.lstat().st_mtime < time.time() - STALE_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)


def _is_orphan(name: str) -> bool:
    match = _OWNED.fullmatch(name)
    if match is None or match["machine"] != _machine():
        return False
    return _started(int(match["pid"])) != int(match["started"])


def _machine() -> str:
    """This machine, since it was booted, and the container on it: where a process has one number."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        parts.append(os.readlink("/proc/self/ns/pid"))
    return sha256("\n".join(parts).encode()).hexdigest()[:12]


def _started(pid: int) -> int | None:
    """When a process began, in ticks since the machine did, so that no other can be taken for it. 0 where
    the system does not tell; None if there is no such process."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:
        pass  # it is another user's
    try:
        # the name of the program, in brackets, may hold anything
        state, *numbers = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return None if state in "ZX" else int(numbers[18])
