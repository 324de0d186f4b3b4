"""Names of adapters. A name is data, never a path: only slugs ever become folder names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lora_marketing.common.errors import Problem, RegistryError

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
DIGEST_PREFIX = re.compile(r"[0-9a-f]{4,64}")

_FORM = "brand/line, brand/line@alias or brand/line:digest"
_SLUG_FORM = "a-z, 0-9, _ and -, at most 63 of them, the first a letter or digit"


def is_slug(text: str) -> bool:
    """True for text that may name a brand, a line or an alias.

    >>> is_slug("summer-24"), is_slug("../prod"), is_slug("Prod")
    (True, False, False)
    """
    return SLUG.fullmatch(text) is not None


def slug_problems(**slugs: str) -> list[Problem]:
    """One problem for each given part (`brand="..."`) that is not a slug."""
    return [
        Problem(f"not a usable {part} name", got=_excerpt(text), allowed=_SLUG_FORM)
        for part, text in slugs.items()
        if not is_slug(text)
    ]


@dataclass(frozen=True, order=True)
class AdapterName:
    """A brand and one of its product lines: the folder that versions are kept in.

    Raises:
        RegistryError: brand or line is not a slug.
    """

    brand: str
    line: str

    def __post_init__(self) -> None:
        if problems := slug_problems(brand=self.brand, line=self.line):
            raise RegistryError(problems)

    @classmethod
    def parse(cls, text: str) -> AdapterName:
        """Read `brand/line`."""
        brand, slash, line = text.partition("/")
        if not slash:
            raise RegistryError(Problem("not the name of an adapter", got=_excerpt(text), allowed=_FORM))
        return cls(brand, line)

    def __str__(self) -> str:
        return f"{self.brand}/{self.line}"


@dataclass(frozen=True)
class AdapterRef:
    """A name and which version of it: by alias, by the start of its digest, or the usual one.

    Raises:
        RegistryError: the alias is not a slug, the digest not 4 to 64 hex digits, or both are given.
    """

    name: AdapterName
    alias: str | None = None
    digest: str | None = None

    def __post_init__(self) -> None:
        problems = [] if self.alias is None else slug_problems(alias=self.alias)
        if self.digest is not None and not DIGEST_PREFIX.fullmatch(self.digest):
            got = _excerpt(self.digest)
            problems.append(Problem("not the start of a digest", got=got, allowed="4 to 64 of 0-9 and a-f"))
        if self.alias is not None and self.digest is not None:
            problems.append(Problem("alias and digest given together", allowed=_FORM))
        if problems:
            raise RegistryError(problems)

    @classmethod
    def parse(cls, text: str) -> AdapterRef:
        """Read `brand/line`, `brand/line@alias` or `brand/line:digest`.

        >>> AdapterRef.parse("ember/soap@prod").alias
        'prod'
        """
        rest, at, alias = text.partition("@")
        name, colon, digest = rest.partition(":")
        return cls(AdapterName.parse(name), alias if at else None, digest if colon else None)

    def __str__(self) -> str:
        suffix = f"@{self.alias}" if self.alias else f":{self.digest}" if self.digest else ""
        return f"{self.name}{suffix}"


def _excerpt(text: str) -> str:
    return ascii(text if len(text) <= 80 else text[:77] + "...")
