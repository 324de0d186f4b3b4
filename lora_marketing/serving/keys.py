"""API keys: a small file that holds their hashes and the brands that each may see."""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from lora_marketing.brands.brand import Slug
from lora_marketing.common import strict_json
from lora_marketing.common.documents import Frozen, dotted, shown
from lora_marketing.common.errors import KeysError, Problem, nearest
from lora_marketing.common.files import write_atomic
from lora_marketing.registry.manifest import UtcTime, now

LOG = logging.getLogger(__name__)
PREFIX = "lm-"
MAX_FILE = 10_000_000


class ApiKey(Frozen):
    """One key: whose it is, which brands it opens, how many requests a minute. Never the key itself."""

    name: Slug
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    brands: Annotated[list[Slug], Field(min_length=1)]
    per_minute: Annotated[int, Field(ge=1)] | None = None
    created: UtcTime

    @property
    def id(self) -> str:
        """What logs call it."""
        return self.sha256[:8]


class KeyFile(Frozen):
    """The whole file."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)] = 1
    keys: list[ApiKey] = []


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """All keys of a file.

    Raises:
        KeysError: the file is missing, or damaged in any way.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE)
    except OSError as error:
        fix = f"lora-marketing keys add NAME --brands BRAND --keys {shown(path)}"
        raise KeysError(Problem("the keys cannot be read", shown(path), error.strerror, fix=fix)) from error
    try:
        keys = KeyFile.model_validate(strict_json.loads(raw)).keys
    except strict_json.NotStrictJson as error:
        raise KeysError(Problem("the file of keys is damaged", shown(path), str(error))) from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise KeysError(
            [Problem(f"{dotted(item['loc'])}: {item['msg']}", shown(path)) for item in found]
        ) from None
    for field in ("name", "sha256"):
        if len({getattr(key, field) for key in keys}) < len(keys):
            raise KeysError(Problem(f"two keys have the same {field}", shown(path)))
    return tuple(keys)


def add_key(path: Path, name: str, brands: Sequence[str], per_minute: int | None = None) -> str:
    """Make a key and return it: this is the only time that it can be seen.

    Raises:
        KeysError: the name is taken or not usable, or the file cannot be read or written.
    """
    secret = PREFIX + secrets.token_hex(32)
    try:
        key = ApiKey(
            name=name, sha256=_hash(secret), brands=list(brands), per_minute=per_minute, created=now()
        )
    except ValidationError as error:
        raise KeysError(_problems(error)) from None
    with _changing(path) as keys:
        if any(other.name == name for other in keys):
            fix = f"lora-marketing keys revoke {name}, or take another name"
            raise KeysError(Problem("there is a key of this name", shown(path), got=name, fix=fix))
        keys.append(key)
    return secret


def revoke_key(path: Path, name: str) -> None:
    """Take a key out of the file. Running servers refuse it from then on.

    Raises:
        KeysError: there is no such key, or the file cannot be read or written.
    """
    read_keys(path)
    with _changing(path) as keys:
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            allowed = nearest(name, [key.name for key in keys])
            raise KeysError(Problem("there is no key of this name", shown(path), name, allowed))
        keys[:] = kept


@contextmanager
def _changing(path: Path) -> Iterator[list[ApiKey]]:
    """Yield the keys to change; they replace the file at once, or not at all if the block raises."""
    lock = path.with_name(f".{path.name}.new")
    try:
        handle = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        fix = f"wait for it; if there is none, remove {shown(lock)}"
        raise KeysError(Problem("another change of the keys is under way", shown(path), fix=fix)) from error
    except OSError as error:
        raise KeysError(Problem("the keys cannot be written", shown(path), error.strerror)) from error
    os.close(handle)
    try:
        keys = list(read_keys(path)) if os.path.lexists(path) else []
        yield keys
        text = json.dumps(KeyFile(keys=keys).model_dump(by_alias=True), indent=1)
        write_atomic(path, text, mode=0o600)
    except OSError as error:
        raise KeysError(Problem("the keys cannot be written", shown(path), error.strerror)) from error
    finally:
        lock.unlink(missing_ok=True)


def _problems(error: ValidationError, where: str | None = None) -> list[Problem]:
    found = error.errors(include_url=False, include_input=False)
    return [Problem(f"{dotted(item['loc'])}: {item['msg']}", where) for item in found]


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Caller:
    """Who sends a request. `brands` None sees everything: the server was started without keys."""

    id: str
    brands: frozenset[str] | None = None
    per_minute: int | None = None

    def may_see(self, brand: str) -> bool:
        """Whether this caller may know that the brand exists."""
        return self.brands is None or brand in self.brands


class KeyRing:
    """The keys of a file, read again whenever it changes.

    A file that is damaged or gone later does not lock everybody out: the last good keys stay, and
    `problem` says what is wrong.

    Raises:
        KeysError: the file cannot be read to begin with.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = _state_of(path)
        self._keys = read_keys(path)
        self.problem: str | None = None

    def caller(self, secret: str) -> Caller | None:
        """Who holds this key. Takes the same time whichever key it is, if any."""
        self.refresh()
        hashed = _hash(secret)
        match: ApiKey | None = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, hashed):
                match = key
        return Caller(match.id, frozenset(match.brands), match.per_minute) if match else None

    def refresh(self) -> None:
        """Read the file again if it is not the one that was read last."""
        state = _state_of(self._path)
        if state == self._state:
            return
        self._state = state
        try:
            self._keys = read_keys(self._path)
            self.problem = None
        except KeysError as error:
            self.problem = "the file of keys cannot be read; the last good keys are in use"
            LOG.error("%s: %s", self.problem, "; ".join(problem.what for problem in error.problems))


def _state_of(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
