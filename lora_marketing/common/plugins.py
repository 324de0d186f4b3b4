"""Plugins: a package whose files are its entries. One new file is one new channel, guard, metric or task."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from types import ModuleType

from lora_marketing.common.errors import Problem, UnknownName, nearest


def names(package: str, suffix: str) -> tuple[str, ...]:
    """Names of the plugins in `package`: the stems of its files that end in `suffix`, sorted.

    Files that begin with an underscore are no plugins.
    """
    entries = (entry.name for entry in files(package).iterdir())
    return tuple(
        sorted(
            name.removesuffix(suffix)
            for name in entries
            if name.endswith(suffix) and not name.startswith("_")
        )
    )


def require(package: str, suffix: str, name: str, where: str | None = None) -> str:
    """Return `name` if `package` has a plugin of this name. `where` is a `file:line` for the message.

    Raises:
        UnknownName: there is none; the nearest name is told.
    """
    known = names(package, suffix)
    if name not in known:
        kind = package.rsplit(".", 1)[-1].removesuffix("s")
        raise UnknownName(Problem(f'unknown {kind} "{name}"', where, allowed=nearest(name, known)))
    return name


def module(package: str, name: str) -> ModuleType:
    """Import the plugin `name` of a package of Python files.

    Raises:
        UnknownName: there is none; the nearest name is told.
    """
    return import_module(f"{package}.{require(package, '.py', name)}")
