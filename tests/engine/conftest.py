from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.writer import Writer
from tests.engine.making import base_folder, save_adapters, section


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny matrices are slower on two threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load_base(section(base_folder("llama", tmp_path_factory.mktemp("llama"))))


@pytest.fixture(scope="session")
def folders(llama: LoadedBase, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Adapters of the llama base: plain, rslora, dora."""
    return save_adapters(llama, tmp_path_factory.mktemp("adapters"))


@pytest.fixture
def writer(llama: LoadedBase, folders: dict[str, Path]) -> Iterator[Writer]:
    """All of them loaded side by side."""
    writer = Writer(llama)
    for name, folder in folders.items():
        writer.load_folder(name, folder)
    yield writer
    writer.close()
