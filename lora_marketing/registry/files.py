"""Files that are what they seem, and that are on the disk before anyone is told their name."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from lora_marketing.common.errors import AdapterRefused, Problem
from lora_marketing.common.files import flush_folder, make_private, private_mode

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
README = "README.md"
LOSS_PLOT = "loss.png"
KNOWN_TEXTS = "known_texts.bin"
"""What the adapter was trained on, as hashes. Versions may lack it."""
MANIFEST = "manifest.json"

REQUIRED = (CONFIG, WEIGHTS, README)
ALLOWED = (*REQUIRED, LOSS_PLOT, KNOWN_TEXTS)
"""What a person may publish; the manifest is written by the registry."""

READ_ONLY = 0o444


REPUBLISH = "lora-marketing adapters verify; then publish it again"


@dataclass(frozen=True)
class FileHashes:
    """The SHA-256, in hex, of the two files that decide what an adapter computes, as its manifest has them.

    The weights alone do not: `lora_alpha` in the configuration multiplies every one of them.
    """

    config: str
    weights: str


def require_published(raw: bytes | memoryview, digest: str, path: Path) -> None:
    """Prove that the bytes of a file are those that were published.

    Raises:
        AdapterRefused: they are not; `path` is for the message.
    """
    found = hashlib.sha256(raw).hexdigest()
    if found != digest:
        raise AdapterRefused(
            Problem("is not the file that was published", str(path), found, digest, REPUBLISH)
        )


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading. Never follows a link, never waits on a pipe.

    Raises:
        AdapterRefused: missing, unreadable, a link, a folder, a pipe or a device.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "a symbolic link" if path.is_symlink() else error.strerror
        raise AdapterRefused(Problem("cannot be read", str(path), reason, "a regular file")) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise AdapterRefused(Problem("is not a regular file", str(path), fix="put the file itself there"))
    return open(descriptor, "rb")


def read_small(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Raises:
        AdapterRefused: larger, or not a readable regular file.
    """
    with open_regular(path) as file:
        raw = file.read(limit + 1)
    if len(raw) > limit:
        raise AdapterRefused(Problem("is too large", str(path), allowed=f"at most {limit:,} bytes"))
    return raw


def sha256_of(path: Path) -> str:
    """The SHA-256 of a regular file, in hex."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_durable(source: Path, target: Path) -> str:
    """Copy a regular file to the new, read-only file `target`; return the SHA-256 of the bytes copied."""
    digest = hashlib.sha256()
    with open_regular(source) as reader, target.open("xb") as writer:
        while chunk := reader.read(1 << 20):
            digest.update(chunk)
            writer.write(chunk)
        _settle(writer, target)
    return digest.hexdigest()


def write_durable(target: Path, raw: bytes) -> None:
    """Write the new, read-only file `target`."""
    with target.open("xb") as writer:
        writer.write(raw)
        _settle(writer, target)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents, each on the disk before the next one, as private as `make_private`."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    make_private(folder)
    flush_folder(folder.parent)


def subfolders(parent: Path) -> list[str]:
    """The names of the folders in `parent`, sorted; links are none."""
    if not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _settle(writer: BinaryIO, target: Path) -> None:
    writer.flush()
    target.chmod(private_mode(target.parent, READ_ONLY))
    os.fsync(writer.fileno())
