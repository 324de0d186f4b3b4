"""Work that has no name yet, and what the disk says when it does not fit."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lora_marketing.common.errors import Problem, RegistryError
from lora_marketing.common.files import flush_folder, make_private
from lora_marketing.common.processes import is_orphan, name_of_own
from lora_marketing.registry.files import make_folder

STALE_SECONDS = 24 * 3600


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
    staging = parent / name_of_own()
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
            if is_orphan(entry.name) or entry.lstat().st_mtime < time.time() - STALE_SECONDS:
                shutil.rmtree(entry, ignore_errors=True)
