"""Files and folders that appear whole or not at all, files that come with the kit, and the user's cache."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import file_digest
from importlib.resources import files
from pathlib import Path

from lora_marketing.common.errors import OutputError, Problem
from lora_marketing.common.processes import is_orphan, name_of_own

MOST_BYTES = 256_000_000
"""Bytes of a file with rows that are read: a million texts."""

PATIENCE = 2.0
"""Seconds that a change of a file waits for another one to end."""


def cache_folder() -> Path:
    """Where converted bases and hashes are kept; LORA_MARKETING_CACHE moves it."""
    chosen = os.environ.get("LORA_MARKETING_CACHE")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("lora-marketing")


def shown(path: Path) -> str:
    """The shorter of the absolute path and the path relative to the working directory."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def read_resource(package: str, *parts: str) -> str:
    """The text of a file that comes with the kit, such as ("lora_marketing.bases", "catalogue.yaml")."""
    return files(package).joinpath(*parts).read_text(encoding="utf-8")


def is_regular(path: Path) -> bool:
    """Whether there is a regular file, perhaps behind a link. False of whatever cannot be a path."""
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long, a NUL in it, letters that no file system has
        return False


def read_outside(path: Path, limit: int = MOST_BYTES) -> bytes:
    """The bytes of a file that somebody else wrote: a regular one of at most `limit` bytes.

    Never waits on a pipe, and never reads a device.

    Raises:
        OSError: it is missing, unreadable, no file or too large, or `path` cannot be one; `strerror` says so.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # a NUL in it, letters that no file system has
        raise OSError(errno.EINVAL, f"not a path ({error})") from error
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "a folder, pipe or device, where a regular file is wanted")
        raw = b"" if found.st_size > limit else file.read(limit + 1)
    if found.st_size > limit or len(raw) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes, which is the most that is read")
    return raw


def read_outside_text(path: Path, limit: int = MOST_BYTES, encoding: str = "utf-8") -> str:
    """`read_outside` as text; line ends become \\n.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read, or is not in that encoding.
    """
    text = read_outside(path, limit).decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_atomic(
    path: Path, data: str | bytes, *, mode: int | None = None, staging: Path | None = None
) -> None:
    """Write a file that is the old one or the new one after a crash, and never half of it.

    The new file is forced to the disk before it takes the name, and the folder after it.

    Args:
        path: the file; what was there is replaced.
        data: bytes, or text that becomes UTF-8.
        mode: the file's permissions; None keeps those of the file that was there.
        staging: a folder of the same file system for the unfinished file; the file's own if None.

    Raises:
        OSError: it cannot be written. What was there stays, and nothing is left beside it.
    """
    if mode is None and path.exists():
        mode = stat.S_IMODE(path.stat().st_mode)
    unfinished = (staging or path.parent) / f".{os.urandom(8).hex()}.new"
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            if mode is not None:
                os.fchmod(handle, mode)
            os.fsync(handle)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    flush_folder(path.parent)


@contextmanager
def changing_alone(path: Path, mode: int) -> Iterator[Callable[[bytes], None]]:
    """Yield what replaces a file with new bytes, while no other process of this machine changes it this way.

    The new file is locked while it is written. A process that is killed lets its lock go, and the next
    change writes over what it left.

    Raises:
        BlockingIOError: another change does not end.
        OSError: the file cannot be written. What was there stays.
    """
    unfinished = path.with_name(f".{path.name}.new")
    handle = _locked(unfinished)
    with ExitStack() as closing, ExitStack() as on_failure:
        closing.callback(os.close, handle)
        on_failure.callback(unfinished.unlink, missing_ok=True)

        def write(data: bytes) -> None:
            with open(handle, "wb", closefd=False) as file:
                file.truncate()
                file.write(data)
                file.flush()
                os.fchmod(handle, mode)
                os.fsync(handle)
            unfinished.replace(path)
            on_failure.pop_all()  # its name may be another change's by now
            flush_folder(path.parent)

        yield write


def _locked(unfinished: Path) -> int:
    deadline = time.monotonic() + PATIENCE
    while (handle := _tried(unfinished)) is None:
        if time.monotonic() > deadline:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        time.sleep(0.02)
    return handle


def _tried(unfinished: Path) -> int | None:
    """A locked handle of `unfinished`; None if another process has it, or has just given it its real name."""
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with ExitStack() as on_failure:
        on_failure.callback(os.close, handle)
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), unfinished.stat()):
                on_failure.pop_all()
                return handle
    return None


def private_mode(folder: Path, usual: int) -> int:
    """The permissions of something new in `folder`: what `usual` gives its owner, and its group if the
    group may read the folder. A client's texts are never for everybody on the machine.

    >>> oct(private_mode(Path("/nowhere"), 0o644))
    '0o600'
    """
    try:
        shared = folder.stat().st_mode & stat.S_IRGRP
    except OSError:
        shared = 0
    return usual & (0o750 if shared else 0o700)


def make_private(folder: Path) -> None:
    """Make `folder` for its owner, and for the group if that may read the folder it lies in; what is there
    already stays as it is. Parents that are missing are made for the owner alone.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    mode = private_mode(folder.parent, 0o755)
    make_private(folder.parent)
    folder.mkdir(mode, exist_ok=True)


def check_writable(*paths: Path | None, folder: bool = False) -> None:
    """Refuse outputs that cannot be written, before any work is done for them.

    Args:
        paths: files to write, or folders to write into; they and their parents need not exist yet.
            None is an output that was not asked for.
        folder: whether `paths` are folders.

    Raises:
        OutputError: all of them at once, each with the reason.
    """
    problems = [_output_problem(path, folder) for path in paths if path is not None]
    if found := [problem for problem in problems if problem]:
        raise OutputError(found)


def write_output(path: Path, data: str | bytes) -> None:
    """Write a file that a user asked for, whole or not at all; a pipe or a device gets the bytes as they are.

    Parents are made.

    Raises:
        OutputError: it cannot be written.
    """
    check_writable(path)
    raw = data.encode() if isinstance(data, str) else data
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(raw)
        else:
            _behind_links(path).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(_behind_links(path), raw)
    except OSError as error:
        raise OutputError(_not_written(path, error)) from error


def _output_problem(path: Path, folder: bool) -> Problem | None:
    """Why `path` cannot be written; found out by making a file in the nearest folder that exists."""
    try:
        if path.exists() and path.is_dir() != folder:
            kinds = ("a file", "a folder")
            fix = f"name another {'folder' if folder else 'file'}"
            return Problem("cannot be written", shown(path), kinds[path.is_dir()], kinds[folder], fix)
        if path.exists() and not os.access(path, os.W_OK):
            return _not_written(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
        if folder or path.is_file() or not path.exists():  # a pipe or a device needs no file beside it
            _probe(path if folder else _behind_links(path).parent)
    except OSError as error:
        return _not_written(path, error)
    return None


def _behind_links(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _probe(folder: Path) -> None:
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    probe = existing / f".{os.urandom(8).hex()}.new"
    os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    probe.unlink()


def _not_written(path: Path, error: OSError) -> Problem:
    fix = "name a place that can be written, or make room there"
    return Problem("cannot be written", shown(path), error.strerror or str(error), fix=fix)


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """Yield a staging folder that becomes `target` when the block ends well.

    Files and folders are flushed to the disk before the rename, so after a crash `target` is
    either complete or absent. If another process was faster, its folder stays. What processes that were
    killed left of it is removed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name}."
    for left in target.parent.iterdir():
        if left.name.startswith(prefix) and is_orphan(left.name.removeprefix(prefix)):
            shutil.rmtree(left, ignore_errors=True)
    staging = target.parent / f"{prefix}{name_of_own()}"
    staging.mkdir(0o700)
    try:
        yield staging
        flush(staging)
        claim(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def claim(staging: Path, target: Path) -> None:
    """Rename `staging` to `target` unless `target` is already there."""
    if not target.exists():
        staging.rename(target)
        flush_folder(target.parent)


def claim_new(staging: Path, target: Path) -> bool:
    """Rename the folder `staging`, which is not empty, to `target`; False if that name is taken.

    Of several processes that claim one name at one moment, exactly one is told True.
    """
    try:
        staging.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        return False
    return True


def flush(folder: Path) -> None:
    """Force every file below `folder`, and the folders themselves, to the disk."""
    for root, _, names in os.walk(folder):
        for name in names:
            with open(Path(root) / name, "rb") as file:
                os.fsync(file.fileno())
        flush_folder(Path(root))


def flush_folder(folder: Path) -> None:
    """Force the entries of one folder (names, renames) to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
