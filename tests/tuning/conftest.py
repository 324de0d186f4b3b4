"""Studies run on the CPU with one thread: there a trial's figures are the same every time."""

from __future__ import annotations

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

from pathlib import Path

import pytest

from lora_marketing.engine.tiny_base import make_tiny_base
from tests.making import rows
from tests.tuning.making import World


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For every test of this folder."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [row["text"] for row in rows()] + ["Write short sentences. Every bar weighs 90 g."]
    return make_tiny_base("llama", "smollm2", texts, tmp_path_factory.mktemp("base") / "llama")


@pytest.fixture
def world(tiny: Path, tmp_path: Path) -> World:
    return World(tmp_path, tiny)
