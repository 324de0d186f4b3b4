"""Shelves: a folder whose file names are the registry. One new file is one new thing."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from types import ModuleType

from lora_marketing.common.errors import Problem, UnknownName, nearest


def names(package: str, suffix: str) -> tuple[str, ...]:
    """Names on the shelf `package`: the stems of its files that end in `suffix`, sorted."""
    found = (entry.name for entry in files(package).iterdir())
    return tuple(
        sorted(
            name.removesuffix(suffix) for name in found if name.endswith(suffix) and not name.startswith("_")
        )
    )


def require(package: str, suffix: str, name: str, where: str | None = None) -> str:
    """Return `name` if it is on the shelf.

    Raises:
        UnknownName: with the nearest name that is.
    """
    known = names(package, suffix)
    if name not in known:
        kind = package.rsplit(".", 1)[-1].removesuffix("s")
        raise UnknownName(Problem(f'unknown {kind} "{name}"', where, allowed=nearest(name, known)))
    return name


def module(package: str, name: str) -> ModuleType:
    """Import the module `name` of a shelf of Python files."""
    return import_module(f"{package}.{require(package, '.py', name)}")
