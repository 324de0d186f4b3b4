"""Tests of training run on the CPU: there a resumed run equals an uninterrupted one bit for bit."""

from __future__ import annotations

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from pathlib import Path

import pytest

from tests.training.making import make_base


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test of this folder."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny llama with SmolLM2's chat template."""
    return make_base(tmp_path_factory.mktemp("base") / "llama")
