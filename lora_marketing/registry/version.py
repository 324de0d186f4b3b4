"""One immutable version of an adapter, what it differs in from another, and whether it is whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_marketing.common.errors import AdapterRefused, DataError, Problem, RegistryError
from lora_marketing.registry.files import (
    CONFIG,
    KNOWN_TEXTS,
    MANIFEST,
    REQUIRED,
    WEIGHTS,
    FileHashes,
    read_small,
    sha256_of,
)
from lora_marketing.registry.manifest import MAX_MANIFEST, Manifest
from lora_marketing.registry.names import AdapterName

if TYPE_CHECKING:
    from lora_marketing.text.known_texts import KnownTexts

FOLDER_DIGITS = 16
MAX_KNOWN_TEXTS = 256_000_000

_TAMPERED = "do not load it; remove this folder and publish the adapter again"


@dataclass(frozen=True)
class Version:
    """A published adapter: load it from `folder`, know it by `digest`."""

    name: AdapterName
    digest: str
    folder: Path
    manifest: Manifest

    def __str__(self) -> str:
        return f"{self.name}:{self.digest[:FOLDER_DIGITS]}"

    @property
    def hashes(self) -> FileHashes:
        """What its configuration and its weights must hash to.

        Raises:
            AdapterRefused: the manifest lists no such file.
        """
        files = self.manifest.files
        if missing := [name for name in (CONFIG, WEIGHTS) if name not in files]:
            where = str(self.folder / MANIFEST)
            raise AdapterRefused(
                [Problem(f"manifest lists no {name}", where, fix=_TAMPERED) for name in missing]
            )
        return FileHashes(files[CONFIG], files[WEIGHTS])


def read_version(name: AdapterName, folder: Path) -> Version:
    """Read the version in `folder` and check that its manifest is the one the folder is named after.

    Does not hash the files: `version_problems` does.

    Raises:
        RegistryError: the folder is a link, or the manifest is missing, changed or of another adapter.
    """
    if folder.is_symlink():
        raise RegistryError(Problem("is a symbolic link", str(folder), allowed="a folder", fix=_TAMPERED))
    path = folder / MANIFEST
    raw = read_small(path, MAX_MANIFEST)
    digest = hashlib.sha256(raw).hexdigest()
    if digest[:FOLDER_DIGITS] != folder.name:
        raise RegistryError(
            Problem("was changed after it was published", str(path), digest, folder.name, _TAMPERED)
        )
    manifest = Manifest.from_bytes(raw, path)
    if manifest.name != str(name):
        raise RegistryError(
            Problem("belongs to another adapter", str(path), ascii(manifest.name), str(name), _TAMPERED)
        )
    return Version(name, digest, folder, manifest)


def known_texts(version: Version) -> KnownTexts | None:
    """What a version was trained on, as hashes; None of one that was published without them.

    Raises:
        AdapterRefused: the file is missing, is not the one that was published, or is none of known texts.
    """
    from lora_marketing.text.known_texts import (
        KnownTexts,  # numbers, which lists of versions need not wait for
    )

    published = version.manifest.files.get(KNOWN_TEXTS)
    if published is None:
        return None
    path = version.folder / KNOWN_TEXTS
    raw = read_small(path, MAX_KNOWN_TEXTS)
    digest = hashlib.sha256(raw).hexdigest()
    if digest != published:
        raise AdapterRefused(
            Problem("was changed after it was published", str(path), digest, published, _TAMPERED)
        )
    try:
        return KnownTexts.from_bytes(raw, str(path))
    except DataError as error:
        raise AdapterRefused(error.problems) from error


def version_problems(version: Version, aliases: Mapping[str, str]) -> list[Problem]:
    """Everything that is no longer as it was published. Hashes every file; empty when whole.

    Args:
        version: what to check on the disk.
        aliases: the aliases of its line; those that mean this version must give its full digest.
    """
    try:
        on_disk = read_version(version.name, version.folder)
        digests = {on_disk.digest, on_disk.manifest.digest}
    except RegistryError as error:
        return list(error.problems)
    problems = []
    if digests != {version.digest}:
        where = str(version.folder / MANIFEST)
        problems.append(Problem("is another manifest", where, on_disk.digest, version.digest, _TAMPERED))
    problems += _listing_problems(on_disk)
    problems += _content_problems(on_disk)
    for alias, digest in aliases.items():
        if digest[:FOLDER_DIGITS] == version.folder.name and digest != on_disk.digest:
            fix = "promote a version to this alias"
            problems.append(Problem(f"alias {alias} of {version.name}", None, digest, on_disk.digest, fix))
    return problems


def changes(old: Version, new: Version) -> list[tuple[str, object, object]]:
    """(key, old value, new value) for what differs in recipe, base, data, packages and metrics."""
    left, right = dict(_flat(_sources(old))), dict(_flat(_sources(new)))
    keys = sorted(left.keys() | right.keys())
    return [(key, left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)]


def _listing_problems(version: Version) -> Iterator[Problem]:
    expected = {MANIFEST, *version.manifest.files}
    present = set(os.listdir(version.folder))
    for name in sorted(present - expected):
        where = str(version.folder / ascii(name)[1:-1])
        yield Problem("was not published", where, allowed=", ".join(sorted(expected)), fix=_TAMPERED)
    for name in sorted(set(REQUIRED) - version.manifest.files.keys()):
        yield Problem(f"manifest lists no {name}", str(version.folder / MANIFEST), fix=_TAMPERED)


def _content_problems(version: Version) -> Iterator[Problem]:
    for name, expected in sorted(version.manifest.files.items()):
        try:
            actual = sha256_of(version.folder / name)
        except RegistryError as error:
            yield from error.problems
            continue
        if actual != expected:
            where = str(version.folder / name)
            yield Problem("was changed after it was published", where, actual, expected, _TAMPERED)


def _sources(version: Version) -> dict[str, Any]:
    return version.manifest.model_dump(include={"recipe", "base", "data", "packages", "metrics"})


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item
