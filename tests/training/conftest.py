"""Tests of training run on the CPU: there a resumed run equals an uninterrupted one bit for bit."""

from __future__ import annotations

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.forks import Forks
from tests.training.making import make_base

FORKS = pytest.StashKey[Forks]()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """By now the libraries are imported, and no test has run."""
    if any("forks" in getattr(item, "fixturenames", ()) for item in session.items):
        session.config.stash[FORKS] = Forks()


@pytest.fixture(scope="session")
def forks(request: pytest.FixtureRequest) -> Iterator[Forks]:
    made = request.config.stash[FORKS]
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test of this folder."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny llama with SmolLM2's chat template."""
    return make_base(tmp_path_factory.mktemp("base") / "llama")
