from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch

from lora_marketing.engine.row_cache import BatchedRowCache, InputChunk


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny matrices are slower on two threads than on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> list[list[InputChunk]]:
    """What every forward was given, row by row."""
    seen: list[list[InputChunk]] = []
    compute = BatchedRowCache.compute

    def noted(self: BatchedRowCache, first: int, chunks: Sequence[InputChunk]) -> torch.Tensor:
        seen.append(list(chunks))
        return compute(self, first, chunks)

    monkeypatch.setattr(BatchedRowCache, "compute", noted)
    return seen
