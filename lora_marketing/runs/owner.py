"""One owner per folder of a run or a study: a second process is told, and destroys nothing.

The owner's file lies beside the folder, which is deleted when the run is published. It appears whole, by
a hard link that fails where there is one already: no lock, which some network file systems ignore.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import gethostname

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.common.files import shown


@dataclass(frozen=True)
class Owner:
    """A process: `started` tells it from a later one that got its number."""

    host: str
    pid: int
    started: str


@contextmanager
def owning(folder: Path) -> Iterator[None]:
    """Own `folder`, which need not exist yet, until the block ends.

    What a process of this machine left that is no longer there is taken over.

    Raises:
        TrainingError: another process owns it, or one of another machine does or did.
    """
    file = folder.with_name(f".{folder.name}.owner")
    file.parent.mkdir(parents=True, exist_ok=True)
    mine = Owner(gethostname(), os.getpid(), _started(os.getpid()) or "")
    while not _claimed(file, mine):
        found = _read(file)
        if found is None:  # it ended just now
            continue
        if found.host != mine.host or _started(found.pid) == found.started:
            raise TrainingError(_taken(folder, file, found, mine))
        _remove(file, found)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _claimed(file: Path, owner: Owner) -> bool:
    unfinished = file.with_name(f".{os.urandom(8).hex()}.new")
    unfinished.write_text(json.dumps(asdict(owner)), encoding="utf-8")
    try:
        os.link(unfinished, file)
    except FileExistsError:
        return False
    finally:
        unfinished.unlink()
    return True


def _read(file: Path) -> Owner | None:
    try:
        return Owner(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise TrainingError(Problem("cannot be read", shown(file), str(error), fix="delete it")) from error


def _remove(file: Path, stale: Owner) -> None:
    """Take `stale` away, but not whoever claimed the folder since it was read."""
    aside = file.with_name(f".{os.urandom(8).hex()}.old")
    try:
        file.rename(aside)
    except FileNotFoundError:
        return
    if _read(aside) != stale:
        os.link(aside, file)
    aside.unlink()


def _started(pid: int) -> str | None:
    """When a process of this machine began, in the kernel's ticks; None if there is none.

    Where the kernel does not say, it is the same for every process that is there.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() or not _there(pid) else ""
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]


def _there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _taken(folder: Path, file: Path, owner: Owner, mine: Owner) -> Problem:
    if owner.host != mine.host:
        fix = f"wait for it; if it is no longer there, delete {shown(file)}"
        got = f"process {owner.pid} on {owner.host}"
        return Problem("another machine works on this run", shown(folder), got, fix=fix)
    fix = "wait for it, or end it and go on with --resume"
    return Problem("another process works on this run", shown(folder), f"process {owner.pid}", fix=fix)
