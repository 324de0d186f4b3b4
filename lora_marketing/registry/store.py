"""The registry: a folder in which versions are immutable and only aliases move.

    root/brand/line/versions/<first 16 hex of the digest>/   the files of one version and manifest.json
    root/brand/line/aliases/<alias>                          one line: the full digest
    root/brand/line/history.jsonl                            one line for each move of an alias
    root/.staging/                                           work that has no name yet

A rename claims a version, so a publisher that dies leaves nothing but a folder in `.staging`.
There is no lock: flock does nothing on some network file systems.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from lora_marketing.common.errors import Problem, RegistryError, nearest
from lora_marketing.common.files import flush_folder, write_atomic
from lora_marketing.registry.files import (
    ALLOWED,
    MANIFEST,
    READ_ONLY,
    REQUIRED,
    copy_durable,
    make_folder,
    read_small,
    write_durable,
)
from lora_marketing.registry.history import (
    ROLLBACK,
    GateRecord,
    Move,
    append_move,
    previous_target,
    read_moves,
)
from lora_marketing.registry.manifest import Manifest, now
from lora_marketing.registry.names import AdapterName, AdapterRef, is_slug, slug_problems
from lora_marketing.registry.staging import disk_errors_told, staging_folder
from lora_marketing.registry.version import FOLDER_DIGITS, Version, changes, read_version, version_problems

CANDIDATE = "candidate"
PROD = "prod"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_VERSION_FOLDER = re.compile(rf"[0-9a-f]{{{FOLDER_DIGITS}}}")
_LIST = "lora-marketing adapters list"


class Registry:
    """All adapters under `root`. Holds no state: two registries of one root see the same."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> tuple[AdapterName, ...]:
        """Every adapter that has a version, sorted."""
        adapters = (
            AdapterName(brand, line)
            for brand in _slug_folders(self.root)
            for line in _slug_folders(self.root / brand)
        )
        return tuple(sorted(name for name in adapters if self._version_folders(name)))

    def versions(self, name: AdapterName) -> tuple[Version, ...]:
        """The versions of `name`, oldest first, without those that `damaged` tells of."""
        versions, _ = self._scan(name)
        return tuple(sorted(versions, key=lambda version: (version.manifest.created, version.digest)))

    def damaged(self, name: AdapterName) -> list[Problem]:
        """Versions of `name` that cannot be listed, because their manifest is missing or was changed."""
        return self._scan(name)[1]

    def aliases(self, name: AdapterName) -> dict[str, str]:
        """The full digest of each alias of `name`."""
        folder = self._line(name) / "aliases"
        if not folder.is_dir():
            return {}
        targets = (
            (alias, self._target(name, alias)) for alias in sorted(os.listdir(folder)) if is_slug(alias)
        )
        return {alias: digest for alias, digest in targets if digest is not None}

    def history(self, name: AdapterName) -> tuple[Move, ...]:
        """Every move of the aliases of `name`, oldest first."""
        return read_moves(self._line(name) / "history.jsonl")

    def resolve(self, ref: AdapterRef) -> Version:
        """Find the one version that `ref` means; a bare name means `prod`, else `candidate`.

        Raises:
            RegistryError: no such adapter, alias or digest (with the nearest), more than one digest
                that begins so, or a manifest that was changed.
        """
        folders = self._version_folders(ref.name)
        if not folders:
            known = _known(str(ref.name), [str(name) for name in self.names()])
            raise RegistryError(Problem(f"no adapter {ref.name}", str(self.root), allowed=known, fix=_LIST))
        if ref.digest is not None:
            return self._by_prefix(ref.name, ref.digest, folders)
        aliases = self.aliases(ref.name)
        alias = ref.alias or (PROD if PROD in aliases else CANDIDATE)
        if alias not in aliases:
            known = _known(alias, list(aliases))
            fix = f"lora-marketing adapters promote {ref.name}:DIGEST {alias}"
            raise RegistryError(Problem(f"{ref.name} has no alias {alias}", allowed=known, fix=fix))
        return self._by_prefix(ref.name, aliases[alias], folders)

    def publish(self, name: AdapterName, folder: Path, manifest: Manifest, alias: str = CANDIDATE) -> Version:
        """Copy an adapter into the registry as a new version and point `alias` to it.

        The same files with the same manifest are the same version: it is returned, not made twice.

        Args:
            name: whose adapter it is; the manifest must say the same.
            folder: adapter_config.json, adapter_model.safetensors, README.md, perhaps loss.png and
                known_texts.bin; nothing else.
            manifest: without files; they are hashed while they are copied.
            alias: moved to the version once it is whole.

        Raises:
            RegistryError: another file or a link in `folder`, a file missing, a full disk. Nothing was
                published unless the message says so.
        """
        files = _publishable(name, folder, manifest, alias)
        needed = sum((folder / file).lstat().st_size for file in files)
        with (
            disk_errors_told(self.root, f"{name} cannot be published", needed),
            staging_folder(self.root) as staging,
        ):
            hashes = {file: copy_durable(folder / file, staging / file) for file in files}
            filled = manifest.model_copy(update={"files": hashes})
            write_durable(staging / MANIFEST, filled.canonical())
            flush_folder(staging)
            version = self._claim(name, staging, filled.digest)
        self._point(version, alias, "published")
        return version

    def promote(
        self, ref: AdapterRef, alias: str, reason: str | None = None, gate: GateRecord | None = None
    ) -> Version:
        """Point `alias` to the version that `ref` means, after hashing its files.

        What the `gate` of the alias said is kept in the history beside the `reason`.

        Raises:
            RegistryError: `ref` means no version, the version is not whole, or the alias has moved
                since the gate compared with what it named.
        """
        if problems := slug_problems(alias=alias):
            raise RegistryError(problems)
        if reason == ROLLBACK:
            raise RegistryError(Problem(f'"{ROLLBACK}" is not a reason to promote', fix="use rollback"))
        version = self.resolve(ref)
        self._require_whole(version)
        if gate is not None and (now_named := self._target(ref.name, alias)) != gate.against:
            what = f"{ref.name}@{alias} has moved since the gate compared with it"
            fix = "let the gate judge again"
            raise RegistryError(Problem(what, got=now_named, allowed=gate.against, fix=fix))
        self._point(version, alias, reason, gate)
        return version

    def rollback(self, name: AdapterName, alias: str) -> Version:
        """Point `alias` back to the version it meant before. Twice goes back two promotions.

        Raises:
            RegistryError: there is no earlier version, or it is not whole.
        """
        ref = AdapterRef(name, alias)
        # not resolved if it can be helped: what is rolled back may be damaged or gone
        current = self._target(name, alias) or self.resolve(ref).digest
        digest = previous_target(self.history(name), alias, current)
        if digest is None:
            fix = f"promote another version of {name} to {alias}"
            raise RegistryError(Problem(f"{ref} has no earlier version", got=current, fix=fix))
        version = self.resolve(AdapterRef(name, digest=digest))
        self._require_whole(version)
        self._point(version, alias, ROLLBACK)
        return version

    def verify(self, version: Version) -> list[Problem]:
        """Hash every file of a version again; what is no longer as it was published."""
        return version_problems(version, self.aliases(version.name))

    def diff(self, a: Version, b: Version) -> list[tuple[str, object, object]]:
        """(key, value in `a`, value in `b`) for what differs in recipe, base, data, packages and metrics."""
        return changes(a, b)

    def _line(self, name: AdapterName) -> Path:
        return self.root / name.brand / name.line

    def _version_folders(self, name: AdapterName) -> list[Path]:
        folder = self._line(name) / "versions"
        return [folder / entry for entry in _folders(folder) if _VERSION_FOLDER.fullmatch(entry)]

    def _scan(self, name: AdapterName) -> tuple[list[Version], list[Problem]]:
        versions: list[Version] = []
        problems: list[Problem] = []
        for folder in self._version_folders(name):
            try:
                versions.append(read_version(name, folder))
            except RegistryError as error:
                problems += error.problems
        return versions, problems

    def _by_prefix(self, name: AdapterName, prefix: str, folders: list[Path]) -> Version:
        matching = [folder for folder in folders if folder.name.startswith(prefix[:FOLDER_DIGITS])]
        if len(matching) > 1:
            listed = ", ".join(folder.name for folder in matching)
            raise RegistryError(Problem(f"{name}:{prefix} is ambiguous", got=listed, fix="write more digits"))
        version = read_version(name, matching[0]) if matching else None
        if version is None or not version.digest.startswith(prefix):
            known = _known(prefix[:FOLDER_DIGITS], [folder.name for folder in folders])
            raise RegistryError(Problem(f"{name} has no version {prefix}", allowed=known, fix=_LIST))
        return version

    def _target(self, name: AdapterName, alias: str) -> str | None:
        path = self._line(name) / "aliases" / alias
        if not os.path.lexists(path):
            return None
        digest = read_small(path, 128).decode("ascii", "replace").removesuffix("\n")
        if not _DIGEST.fullmatch(digest):
            fix = "remove the file, then promote a version to this alias"
            raise RegistryError(Problem("is not an alias", str(path), ascii(digest), "one digest", fix))
        return digest

    def _claim(self, name: AdapterName, staging: Path, digest: str) -> Version:
        target = self._line(name) / "versions" / digest[:FOLDER_DIGITS]
        make_folder(target.parent)
        try:
            staging.rename(target)
        except OSError as error:
            # The name is taken: by the same version, or the checks below say what is there.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        with disk_errors_told(self.root, f"{name}:{target.name} is published, but a power cut may undo it"):
            flush_folder(target.parent)
        version = read_version(name, target)
        self._require_whole(version)
        return version

    def _require_whole(self, version: Version) -> None:
        if problems := self.verify(version):
            raise RegistryError(problems)

    def _point(
        self, version: Version, alias: str, reason: str | None, gate: GateRecord | None = None
    ) -> None:
        name, line = version.name, self._line(version.name)
        before = self._target(name, alias)
        if before == version.digest:
            return
        # The alias moves first: a history that is a line short is repaired when it is read.
        with disk_errors_told(self.root, f"{version} is published, but {name}@{alias} was not moved to it"):
            make_folder(line / "aliases")
            with staging_folder(self.root) as staging:
                named = line / "aliases" / alias
                write_atomic(named, f"{version.digest}\n", mode=READ_ONLY, staging=staging)
        with disk_errors_told(
            self.root, f"{name}@{alias} is now {version}, but its history could not be written"
        ):
            append_move(line / "history.jsonl", Move(now(), alias, before, version.digest, reason, gate))


def _publishable(name: AdapterName, folder: Path, manifest: Manifest, alias: str) -> list[str]:
    """The files to publish, after checking that they are all there and that there are no others."""
    problems = slug_problems(alias=alias)
    if manifest.name != str(name):
        got = ascii(manifest.name)
        problems.append(Problem("the manifest names another adapter", got=got, allowed=str(name)))
    if not folder.is_dir():
        raise RegistryError([*problems, Problem("is not a folder", str(folder))])
    present = set(os.listdir(folder))
    allowed = ", ".join(ALLOWED)
    problems += [
        Problem("may not be published", f"{folder}/{ascii(file)[1:-1]}", allowed=allowed, fix="take it out")
        for file in sorted(present.difference(ALLOWED))
    ]
    problems += [
        Problem("is missing", str(folder / file), allowed=allowed) for file in REQUIRED if file not in present
    ]
    problems += [
        Problem("is not a regular file", str(folder / file), fix="put the file itself there")
        for file in sorted(present.intersection(ALLOWED))
        if (folder / file).is_symlink() or not (folder / file).is_file()
    ]
    if problems:
        raise RegistryError(problems)
    return sorted(present)


def _known(wanted: str, names: list[str]) -> str:
    text = nearest(wanted, names) if names else "there are none"
    return text if len(text) <= 300 else f"one of {len(names)}"


def _folders(parent: Path) -> list[str]:
    if not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _slug_folders(parent: Path) -> list[str]:
    return [name for name in _folders(parent) if is_slug(name)]
