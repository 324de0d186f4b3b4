"""Names that tell which process made a file or folder, and whether it is still there."""

from __future__ import annotations

import os
import re
import secrets
import socket
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

_OWNED = re.compile(r"(?P<machine>[0-9a-f]{12})-(?P<pid>\d+)-(?P<started>\d+)-[0-9a-f]{16}")


def name_of_own() -> str:
    """A new name for something that this process makes and takes away again."""
    pid = os.getpid()
    return f"{_machine()}-{pid}-{_started(pid) or 0}-{secrets.token_hex(8)}"


def is_orphan(name: str) -> bool:
    """Whether `name` is one that a process of this machine gave (`name_of_own`) which is no more."""
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
