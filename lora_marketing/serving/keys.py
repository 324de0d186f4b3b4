"""API keys: a small file that holds their hashes, the brands that each may see, and what it may do."""

from __future__ import annotations

import hmac
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, ValidationError, model_validator

from lora_marketing.brands.brand import Slug
from lora_marketing.common import strict_json
from lora_marketing.common.documents import Frozen, dotted, shown
from lora_marketing.common.errors import KeysError, Problem, nearest
from lora_marketing.common.files import changing_alone
from lora_marketing.registry.manifest import UtcTime, now

LOG = logging.getLogger(__name__)
PREFIX = "lm-"
MAX_FILE = 10_000_000
Scope = Literal["models", "copy", "check", "chat", "completions", "system_turns", "operations"]
"""What a key may do: an endpoint each, but for `system_turns`, which is to bring its own to a chat, and
`operations`, which is to read /metrics."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
USUAL: tuple[Scope, ...] = ("models", "copy", "check", "chat")
"""Scopes of a new key: everything that is written behind the brand's own prompt."""
BEFORE_SCOPES: tuple[Scope, ...] = (*USUAL, "completions", "system_turns")
"""What a key may do that was made when there were no scopes: what it could do then."""
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class ApiKey(Frozen):
    """One key: whose it is, which brands it opens, and for what. Never the key itself.

    `per_minute` is how many requests it may send, `expires` the moment from which it opens nothing.
    """

    name: Slug
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    brands: list[Slug]
    scopes: Annotated[list[Scope], Field(min_length=1)] = list(BEFORE_SCOPES)
    per_minute: Annotated[int, Field(ge=1)] | None = None
    created: UtcTime
    expires: UtcTime | None = None

    @model_validator(mode="after")
    def _opens_something(self) -> Self:
        if not self.brands and set(self.scopes) != {"operations"}:
            raise ValueError("a key needs brands, unless all that it opens is operations")
        return self

    @property
    def id(self) -> str:
        """What logs call it."""
        return self.sha256[:8]

    def expired(self, at: datetime) -> bool:
        """Whether it opens nothing any more at a moment."""
        return self.expires is not None and datetime.fromisoformat(self.expires) <= at


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


def add_key(
    path: Path,
    name: str,
    brands: Sequence[str],
    per_minute: int | None = None,
    *,
    scopes: Sequence[str] = USUAL,
    expires: datetime | None = None,
) -> str:
    """Make a key and return it: this is the only time that it can be seen.

    Args:
        path: the file; made if it is not there.
        name: whose key it is.
        brands: what it opens.
        per_minute: requests that it may send; any number if None.
        scopes: what it may do there.
        expires: from when on it opens nothing; never if None.

    Raises:
        KeysError: the name is taken or not usable, there is no such scope, `expires` has passed, or the file
            cannot be read or written.
    """
    for scope in scopes:
        if scope not in SCOPES:
            raise KeysError(Problem("there is no such scope", None, scope, nearest(scope, SCOPES)))
    if expires is not None and expires <= datetime.now(UTC):
        raise KeysError(Problem("a key cannot end before it begins", got=expires.isoformat()))
    secret = PREFIX + secrets.token_hex(32)
    try:
        key = ApiKey(
            name=name,
            sha256=_hash(secret),
            brands=list(brands),
            scopes=[scope for scope in SCOPES if scope in scopes],
            per_minute=per_minute,
            created=now(),
            expires=expires.isoformat(timespec="seconds") if expires else None,
        )
    except ValidationError as error:
        raise KeysError(_problems(error)) from None
    with _changing(path) as keys:
        if any(other.name == name for other in keys):
            fix = f"lora-marketing keys revoke {name}, or take another name"
            raise KeysError(Problem("there is a key of this name", shown(path), got=name, fix=fix))
        keys.append(key)
    return secret


def expiry(text: str, at: datetime) -> datetime:
    """The moment that `2027-01-01` (the end of that day, UTC) or `30d` (from `at` on) means.

    Raises:
        KeysError: it is neither.
    """
    try:
        if span := re.fullmatch(r"([0-9]{1,9})([smhdw])", text):
            return at + timedelta(**{UNITS[span[2]]: int(span[1])})
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        pass
    allowed = "a last day such as 2027-01-01, or a time from now such as 30d, 12h, 45m"
    raise KeysError(Problem("not a time for a key to end", got=text, allowed=allowed))


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
    try:
        with changing_alone(path, 0o600) as write:
            keys = list(read_keys(path)) if os.path.lexists(path) else []
            yield keys
            write(json.dumps(KeyFile(keys=keys).model_dump(by_alias=True), indent=1).encode())
    except BlockingIOError as error:
        raise KeysError(
            Problem("another change of the keys is under way", shown(path), fix="wait for it")
        ) from error
    except OSError as error:
        raise KeysError(Problem("the keys cannot be written", shown(path), error.strerror)) from error


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
    scopes: frozenset[Scope] = frozenset(SCOPES)

    def may_see(self, brand: str) -> bool:
        """Whether this caller may know that the brand exists."""
        return self.brands is None or brand in self.brands


class KeyRing:
    """The keys of a file, read again whenever it changes.

    A file that is damaged or gone later does not lock everybody out: the last good keys stay, and
    `problem` says what is wrong.

    Args:
        path: the file.
        clock: the present moment.

    Raises:
        KeysError: the file cannot be read to begin with.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._clock = clock
        self._state = _state_of(path)
        self._keys = read_keys(path)
        self.problem: str | None = None

    def caller(self, secret: str) -> Caller | None:
        """Who holds this key; None of one that is unknown or has expired. Takes the same time for any."""
        self.refresh()
        hashed = _hash(secret)
        match: ApiKey | None = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, hashed):
                match = key
        if match is None or match.expired(self._clock()):
            return None
        return Caller(match.id, frozenset(match.brands), match.per_minute, frozenset(match.scopes))

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
