"""Tests of training run on the CPU: there a resumed run equals an uninterrupted one bit for bit."""

from __future__ import annotations

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from .children import start_server
from .making import make_base


@pytest.fixture(autouse=True)
def _one_thread(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LORA_MARKETING_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the server that children are forked from import its libraries while other tests run."""
    if any(item.path.name == "test_resume.py" for item in session.items):
        start_server()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny llama with SmolLM2's chat template."""
    return make_base(tmp_path_factory.mktemp("base") / "llama")
