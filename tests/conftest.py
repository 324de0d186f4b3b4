"""What tests of several parts share."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """By now every library is imported: half a million objects that no test ever frees.

    Trainer collects garbage at the beginning and the end of a run, 0.4 s each time without this.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the kit needs of its libraries is looked at first.

    A library that moved one of these parts fails dozens of other tests in ways that name no cause.
    """
    items.sort(key=lambda item: not item.path.stem.endswith("_api"))


@pytest.fixture
def one_thread(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compute with one thread, where figures are the same every time, and cache nothing of a user's."""
    import torch

    monkeypatch.setenv("LORA_MARKETING_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
