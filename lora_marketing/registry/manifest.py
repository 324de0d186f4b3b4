"""The manifest of a version: what it was made from, by what, and the hash of every file.

A version *is* its manifest: the digest of the manifest's canonical JSON names the version.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, FiniteFloat, StringConstraints, ValidationError

from lora_marketing.common import strict_json
from lora_marketing.common.documents import Frozen, dotted
from lora_marketing.common.errors import Problem, RegistryError, capped
from lora_marketing.registry.files import ALLOWED

MAX_MANIFEST = 10_000_000


def now() -> str:
    """The present moment as manifests and histories write it: ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _utc(text: str) -> str:
    if datetime.fromisoformat(text).utcoffset() != timedelta(0):
        raise ValueError("not a time in UTC, such as 2026-11-23T12:00:00+00:00")
    return text


def _known_file(name: str) -> str:
    if name not in ALLOWED:
        raise ValueError(f"not one of {', '.join(ALLOWED)}")
    return name


UtcTime = Annotated[str, AfterValidator(_utc)]
FileName = Annotated[str, AfterValidator(_known_file)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class BasePin(Frozen):
    """Exactly which base an adapter belongs to. PEFT loads a wrong base of the same shape in silence."""

    id: str
    revision: str | None
    fingerprint: str
    weights: str
    quantization: str
    tokenizer: str
    chat_template: str


class Manifest(Frozen):
    """Where a version came from. `files` is filled by the registry when it publishes."""

    model_config = ConfigDict(serialize_by_alias=True)

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)] = 1
    name: str
    created: UtcTime
    recipe: dict[str, Any]
    data: dict[str, str | int | FiniteFloat]
    base: BasePin
    packages: dict[str, str]
    seed: int
    metrics: dict[str, FiniteFloat]
    files: dict[FileName, Sha256] = Field(default_factory=dict)
    parent: Sha256 | None = None

    def canonical(self) -> bytes:
        """The one spelling of this manifest: JSON with sorted keys, without spaces, in UTF-8.

        Raises:
            RegistryError: the recipe holds something that JSON cannot.
        """
        try:
            return strict_json.dumps(self.model_dump()).encode("utf-8")
        except (TypeError, ValueError) as error:
            raise RegistryError(Problem(f"manifest of {self.name} is not JSON", got=str(error))) from error

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON: the identity of the version."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @classmethod
    def from_bytes(cls, raw: bytes, path: Path) -> Manifest:
        """Read a manifest; `path` is only for messages.

        Raises:
            RegistryError: not strict JSON, or not of this schema (all problems at once).
        """
        try:
            return cls.model_validate(strict_json.loads(raw))
        except strict_json.NotStrictJson as error:
            raise RegistryError(Problem("is not strict JSON", str(path), got=str(error))) from error
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            problems = [Problem(f"{dotted(item['loc'])}: {item['msg']}", str(path)) for item in details]
            raise RegistryError(capped(problems)) from None
