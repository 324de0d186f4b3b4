"""The registry: a folder in which versions are immutable and only aliases move.

    root/brand/line/versions/<first 16 hex of the digest>/   the files of one version and manifest.json
    root/brand/line/aliases/<alias>                          one line: the full digest
    root/brand/line/moves/<number>/move.json                 each move of an alias, and what all mean after it
    root/brand/line/history.jsonl                            the moves that older versions of the kit made
    root/.staging/                                           work that has no name yet

A rename claims a version, and another one a move (`registry/moves.py`), so who dies leaves nothing but a
folder in `.staging`. Folders that are links are refused: a name means one thing for every command.
There is no lock: flock does nothing on some network file systems.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lora_marketing.common.errors import Problem, RegistryError, nearest
from lora_marketing.common.files import claim_new, flush_folder, private_mode, write_atomic
from lora_marketing.registry.files import (
    ALLOWED,
    MANIFEST,
    READ_ONLY,
    REQUIRED,
    copy_durable,
    make_folder,
    read_small,
    subfolders,
    write_durable,
)
from lora_marketing.registry.history import ROLLBACK, GateRecord, Move, previous_target
from lora_marketing.registry.manifest import Manifest, now
from lora_marketing.registry.moves import DIGEST, MOVES, LineState, claim_move, latest_state, read_moves
from lora_marketing.registry.names import AdapterName, AdapterRef, is_slug, slug_problems
from lora_marketing.registry.staging import disk_errors_told, staging_folder
from lora_marketing.registry.version import FOLDER_DIGITS, Version, changes, read_version, version_problems

CANDIDATE = "candidate"
PROD = "prod"

_VERSION_FOLDER = re.compile(rf"[0-9a-f]{{{FOLDER_DIGITS}}}")
_LIST = "lora-marketing adapters list"
_PARTS = ("versions", "aliases", MOVES)
_MOST_TRIES = 1000


@dataclass(frozen=True)
class _Anything:
    """An alias may mean anything before it is moved."""


ANYTHING: Final = _Anything()


@dataclass(frozen=True)
class _Aliases:
    """What the aliases of a line mean, and for each damaged alias file what is wrong with it."""

    state: LineState
    known: dict[str, str]
    damaged: dict[str, list[Problem]]

    def target(self, alias: str) -> str | None:
        """The digest, None of an unknown alias; raises RegistryError if its file is damaged."""
        if alias in self.damaged:
            raise RegistryError(self.damaged[alias])
        return self.known.get(alias)


class Registry:
    """All adapters under `root`. Holds no state: two registries of one root see the same."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> tuple[AdapterName, ...]:
        """Every adapter that has a version, sorted."""
        return tuple(name for name in self._lines() if not self._links(name) and self._version_folders(name))

    def links(self) -> list[Problem]:
        """Folders of brands and lines, and those inside lines, that are links: no command follows them."""
        brands = [AdapterName(brand, "x") for brand in _slugs(self.root)]
        found = {problem: None for name in (*brands, *self._lines()) for problem in self._links(name)}
        return list(found)

    def versions(self, name: AdapterName) -> tuple[Version, ...]:
        """The versions of `name`, oldest first, without those that `damaged` tells of."""
        versions, _ = self._scan(name)
        return tuple(sorted(versions, key=lambda version: (version.manifest.created, version.digest)))

    def damaged(self, name: AdapterName) -> list[Problem]:
        """Versions of `name` that cannot be listed, because their manifest is missing or was changed."""
        return self._scan(name)[1]

    def aliases(self, name: AdapterName) -> dict[str, str]:
        """The full digest of each alias of `name`, without those that `alias_problems` tells of."""
        return self._aliases(name).known

    def alias_problems(self, name: AdapterName) -> list[Problem]:
        """Alias files and moves of `name` that cannot be read."""
        found = self._aliases(name)
        return [*found.state.problems, *(problem for one in found.damaged.values() for problem in one)]

    def history(self, name: AdapterName) -> tuple[Move, ...]:
        """Every move of the aliases of `name`, oldest first."""
        return read_moves(self._line(name))

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
        aliases = self._aliases(ref.name)
        alias = ref.alias or (PROD if PROD in aliases.known or PROD in aliases.damaged else CANDIDATE)
        digest = aliases.target(alias)
        if digest is None:
            known = _known(alias, list(aliases.known))
            fix = f"lora-marketing adapters promote {ref.name}:DIGEST {alias}"
            raise RegistryError(Problem(f"{ref.name} has no alias {alias}", allowed=known, fix=fix))
        return self._by_prefix(ref.name, digest, folders)

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
        """Point `alias` to the version that `ref` means, after hashing its files. A bare name means its
        candidate.

        What the `gate` of the alias said is kept in the history beside the `reason`.

        Raises:
            RegistryError: `ref` means no version, the version is not whole, or the alias has moved
                since the gate compared with what it named.
        """
        if problems := slug_problems(alias=alias):
            raise RegistryError(problems)
        if reason == ROLLBACK:
            raise RegistryError(Problem(f'"{ROLLBACK}" is not a reason to promote', fix="use rollback"))
        version = self.resolve(candidate_of(ref))
        self._require_whole(version)
        self._point(version, alias, reason, gate, ANYTHING if gate is None else gate.against)
        return version

    def rollback(self, name: AdapterName, alias: str) -> Version:
        """Point `alias` back to the version it meant before. Twice goes back two promotions.

        Raises:
            RegistryError: there is no earlier version, or it is not whole.
        """
        ref = AdapterRef(name, alias)
        # not resolved if it can be helped: what is rolled back may be damaged or gone
        current = self._aliases(name).target(alias) or self.resolve(ref).digest
        digest = previous_target(self.history(name), alias, current)
        if digest is None:
            fix = f"promote another version of {name} to {alias}"
            raise RegistryError(Problem(f"{ref} has no earlier version", got=current, fix=fix))
        version = self.resolve(AdapterRef(name, digest=digest))
        self._require_whole(version)
        self._point(version, alias, ROLLBACK, expected=current)
        return version

    def verify(self, version: Version) -> list[Problem]:
        """Hash every file of a version again; what is no longer as it was published."""
        return version_problems(version, self.aliases(version.name))

    def diff(self, a: Version, b: Version) -> list[tuple[str, object, object]]:
        """(key, value in `a`, value in `b`) for what differs in recipe, base, data, packages and metrics."""
        return changes(a, b)

    def _line(self, name: AdapterName) -> Path:
        if problems := self._links(name):
            raise RegistryError(problems)
        return self.root / name.brand / name.line

    def _lines(self) -> list[AdapterName]:
        return [AdapterName(brand, line) for brand in _slugs(self.root) for line in _slugs(self.root / brand)]

    def _links(self, name: AdapterName) -> list[Problem]:
        brand = self.root / name.brand
        line = brand / name.line
        fix = "put the folder itself there: a link means different things to different commands"
        return [
            Problem("is a symbolic link", str(folder), allowed="a folder", fix=fix)
            for folder in (brand, line, *(line / part for part in _PARTS))
            if folder.is_symlink()
        ]

    def _version_folders(self, name: AdapterName) -> list[Path]:
        folder = self._line(name) / "versions"
        return [folder / entry for entry in subfolders(folder) if _VERSION_FOLDER.fullmatch(entry)]

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

    def _aliases(self, name: AdapterName) -> _Aliases:
        """The newest move says what aliases mean. Of those that it does not know, and where it cannot be
        read, the alias files do."""
        line = self._line(name)
        state = latest_state(line)
        found = _Aliases(state, dict(state.aliases), {})
        folder = line / "aliases"
        for alias in sorted(os.listdir(folder)) if folder.is_dir() else ():
            if not is_slug(alias):
                continue
            try:
                digest = _read_alias(folder / alias)
            except RegistryError as error:
                found.damaged[alias] = list(error.problems)
                found.known.pop(alias, None)
                continue
            if state.problems or alias not in state.aliases:
                found.known[alias] = digest
        return found

    def _claim(self, name: AdapterName, staging: Path, digest: str) -> Version:
        target = self._line(name) / "versions" / digest[:FOLDER_DIGITS]
        make_folder(target.parent)
        claim_new(staging, target)  # if the name is taken: by the same version, or the checks below tell
        with disk_errors_told(self.root, f"{name}:{target.name} is published, but a power cut may undo it"):
            flush_folder(target.parent)
        version = read_version(name, target)
        self._require_whole(version)
        return version

    def _require_whole(self, version: Version) -> None:
        if problems := self.verify(version):
            raise RegistryError(problems)

    def _point(
        self,
        version: Version,
        alias: str,
        reason: str | None,
        gate: GateRecord | None = None,
        expected: str | _Anything | None = ANYTHING,
    ) -> None:
        """Move an alias, from what was `expected` only. The claim of the move is the one step that counts."""
        name, line = version.name, self._line(version.name)
        with disk_errors_told(self.root, f"{version} is published, but {name}@{alias} was not moved to it"):
            make_folder(line / MOVES)
            make_folder(line / "aliases")
            for _ in range(_MOST_TRIES):
                now_known = self._aliases(name)
                before = now_known.target(alias)
                if expected != ANYTHING and before != expected:
                    raise RegistryError(_moved_since(f"{name}@{alias}", before, expected))
                if before == version.digest:
                    break
                move = Move(now(), alias, before, version.digest, reason, gate)
                after = {**now_known.known, alias: version.digest}
                with staging_folder(self.root) as staging:
                    if claim_move(line, staging, now_known.state, move, after):
                        break
            else:
                what = f"{name}@{alias} was not moved: others move aliases of {name} all the time"
                raise RegistryError(Problem(what, str(line / MOVES), fix="try again"))
        with disk_errors_told(
            self.root,
            f"{name}@{alias} is now {version}, but a power cut may undo it, or older kits not see it",
        ):
            flush_folder(line / MOVES)
            self._show(name, alias)

    def _show(self, name: AdapterName, alias: str) -> None:
        """Write into the alias file what the newest move says. Whoever wrote it last looks once more."""
        path = self._line(name) / "aliases" / alias
        for _ in range(_MOST_TRIES):
            found = self._aliases(name)
            digest = found.target(alias)
            if digest is None or (os.path.lexists(path) and _read_alias(path) == digest):
                return
            with staging_folder(self.root) as staging:
                write_atomic(path, f"{digest}\n", mode=private_mode(path.parent, READ_ONLY), staging=staging)


def candidate_of(ref: AdapterRef) -> AdapterRef:
    """What is promoted where `ref` is named: a bare name means its candidate, not what is @prod."""
    return ref if ref.alias or ref.digest else AdapterRef(ref.name, CANDIDATE)


def _moved_since(alias: str, before: str | None, expected: object) -> Problem:
    what = f"{alias} has moved since it was compared with"
    fix = "look at what it names now, and let the gate judge again if it has one"
    return Problem(what, got=before or "nothing", allowed=str(expected or "nothing"), fix=fix)


def _read_alias(path: Path) -> str:
    digest = read_small(path, 128).decode("ascii", "replace").removesuffix("\n")
    if not DIGEST.fullmatch(digest):
        fix = "remove the file, then promote a version to this alias"
        raise RegistryError(Problem("is not an alias", str(path), ascii(digest), "one digest", fix))
    return digest


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


def _slugs(parent: Path) -> list[str]:
    """The names in `parent` that may be those of a brand or line: folders, and links, which are told of."""
    if not parent.is_dir():
        return []
    with os.scandir(parent) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and is_slug(entry.name))
