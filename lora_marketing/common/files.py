"""Folders that appear whole or not at all, and the user's cache."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from tempfile import mkdtemp

from platformdirs import user_cache_path


def cache_folder() -> Path:
    """Where converted bases and hashes are kept; LORA_MARKETING_CACHE moves it."""
    chosen = os.environ.get("LORA_MARKETING_CACHE")
    return Path(chosen) if chosen else user_cache_path("lora-marketing")


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """Yield a staging folder that becomes `target` when the block ends well.

    Files and folders are flushed to the disk before the rename, so after a crash `target` is
    either complete or absent. If another process was faster, its folder stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
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
