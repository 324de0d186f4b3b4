from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lora_marketing.engine.kernels import CACHES, keep_few_kernels
from tests.forks import Forks


def resident() -> float:
    """GiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmRSS"))


def grow(found: Path) -> None:
    for name in CACHES:
        os.environ.pop(name, None)
    keep_few_kernels()
    torch.set_num_threads(1)
    weights = [torch.randn(sizes, dtype=torch.bfloat16) for sizes in ((144, 384), (384, 144), (144, 16))]
    early = 0.0
    for tokens in range(40, 100):
        for weight in weights:
            x = torch.randn(tokens, len(weight), dtype=torch.bfloat16, requires_grad=True)
            (x @ weight.clone().requires_grad_()).sum().backward()
        if tokens == 50:
            early = resident()
    found.write_text(str(resident() - early), encoding="utf-8")


@pytest.mark.thorough
def test_batches_of_ever_other_sizes_do_not_make_the_process_grow(forks: Forks, tmp_path: Path) -> None:
    """60 batches, no two of a length: 0.3 GiB with what torch keeps by itself."""
    assert forks.run(grow, tmp_path / "gib") == 0
    assert float((tmp_path / "gib").read_text(encoding="utf-8")) < 0.06
