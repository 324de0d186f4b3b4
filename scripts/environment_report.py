"""A pytest plugin for `make newest` and `make floors`: what differs from the lock, what upstream will remove.

    python -m pytest -p scripts.environment_report

After the tests it lists each distinct deprecation warning once, with the library it points at and how
often it came, and each package whose installed version isn't the locked one.
"""

from __future__ import annotations

import importlib.metadata
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).resolve().parent.parent
DEPRECATIONS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)


class EnvironmentReport:
    """Counts deprecation warnings during the tests and prints the report at their end."""

    def __init__(self) -> None:
        self.warned: Counter[tuple[str, str, str]] = Counter()

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        """Count a warning by library, category and first line."""
        category = warning_message.category
        if issubclass(category, DEPRECATIONS):
            text = str(warning_message.message).strip().partition("\n")[0]
            self.warned[library(warning_message.filename), category.__name__, text] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print both lists; pytest's own list of failed tests follows."""
        terminalreporter.section("deprecations")
        for (where, category, text), count in sorted(self.warned.items()):
            terminalreporter.write_line(f"{count:5} × {where}: {category}: {text}")
        if not self.warned:
            terminalreporter.write_line("none")
        terminalreporter.section("versions that differ from requirements.lock")
        rows = differences(ROOT / "requirements.lock")
        for name, locked, here in rows:
            terminalreporter.write_line(f"{name:28} locked {locked:18} here {here}")
        if not rows:
            terminalreporter.write_line("none")


def pytest_configure(config: pytest.Config) -> None:
    """Register the report."""
    config.pluginmanager.register(EnvironmentReport())


def library(filename: str) -> str:
    """The package that a file belongs to, or its path in this repository."""
    inside = re.split(r"[/\\]site-packages[/\\]", filename)
    if len(inside) > 1:
        return Path(inside[-1]).parts[0]
    path = Path(filename)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def differences(lock: Path) -> list[tuple[str, str, str]]:
    """Packages as (name, locked version, installed version); "-" where one side lacks it."""
    pinned = dict(pins(lock))
    here = {str(canonicalize_name(one.name)): one.version for one in importlib.metadata.distributions()}
    here["torch"] = here["torch"].partition("+")[0]  # 2.13.0+cpu and 2.13.0 are the same release
    names = sorted({*pinned, *here} - {"lora-marketing"})
    rows = [(name, pinned.get(name, "-"), here.get(name, "-")) for name in names]
    return [row for row in rows if row[1] != row[2]]


def pins(lock: Path) -> list[tuple[str, str]]:
    """Names and versions in a lock as far as they apply here, torch among them."""
    found: list[tuple[str, str]] = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if re.match(r"(# )?[a-z0-9][a-z0-9._-]*==", line):
            requirement = Requirement(line.removeprefix("# ").removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate():
                version = str(requirement.specifier).removeprefix("==")
                found.append((canonicalize_name(requirement.name), version))
    return found
