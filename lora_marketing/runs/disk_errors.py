"""What the disk refuses a run is that run's error, told with the room it needs; the others go on."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.common.files import shown

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TORN = re.compile(r"PytorchStreamWriter|inline_container|unexpected pos|\(os error \d+\)")
"""How torch.save and safetensors say that a write failed: as errors that are no OSError."""
_FIXES = {
    errno.EROFS: "make it writable, or name another place with --runs",
    errno.EACCES: "make it writable, or name another place with --runs",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has no more open files",
}


@contextmanager
def disk_errors_told(name: str, folder: Path, needed: int | None = None) -> Iterator[None]:
    """Turn what the disk or the system refuses into an error of the run `name` alone.

    Args:
        name: `brand/line`.
        folder: the run's folder, which need not exist.
        needed: bytes of one checkpoint, where they are known.

    Raises:
        TrainingError: an OSError, or the error of a library that could not write.
    """
    try:
        yield
    except OSError as error:
        raise TrainingError(_problem(name, folder, error, needed)) from error
    except (RuntimeError, SafetensorError) as error:
        if not _TORN.search(str(error)):
            raise
        raise TrainingError(_problem(name, folder, _cause(error), needed)) from error


def checkpoint_bytes(parameters: int) -> int:
    """About what a checkpoint takes: the trained numbers and the optimizer's two for each, in float32.

    >>> checkpoint_bytes(1_000_000) // 1_000_000
    12
    """
    return 12 * parameters + 200_000


def _cause(error: Exception) -> OSError:
    """The system's error behind a library's: in its text, in what it was raised from, or else no space."""
    if number := re.search(r"\(os error (\d+)\)", str(error)):
        code = int(number[1])
        return OSError(code, os.strerror(code))
    if isinstance(error.__context__, OSError):
        return error.__context__
    return OSError(errno.ENOSPC, "a file was cut short, by a full disk, a quota or a limit of file sizes")


def _problem(name: str, folder: Path, error: OSError, needed: int | None) -> Problem:
    reason = error.strerror or str(error)
    file = f" ({error.filename})" if error.filename else ""
    resume = "go on with --resume"
    if error.errno not in _NO_SPACE:
        fix = f"{_FIXES.get(error.errno or 0, 'put that right')}, then {resume}"
        return Problem(
            f"{name} stopped: the disk or the system refuses", shown(folder), reason + file, fix=fix
        )
    about = f"needed about {_mb(needed)}, " if needed else ""
    got = f"{about}free {_mb(_free(folder))}: {reason}{file}"
    fix = f"free some, or name another disk with --runs, then {resume}"
    return Problem(f"{name} stopped: no space in {shown(folder)}", None, got, fix=fix)


def _free(folder: Path) -> int:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
