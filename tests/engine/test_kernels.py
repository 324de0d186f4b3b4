from __future__ import annotations

import os
import subprocess
import sys

from lora_marketing.engine.kernels import CACHES

SHAPES = """
import torch
from lora_marketing.engine.kernels import keep_few_kernels

def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmRSS"))

keep_few_kernels()
weights = [torch.randn(sizes, dtype=torch.bfloat16) for sizes in ((144, 384), (384, 144), (144, 16))]
for tokens in range(40, 100):
    for weight in weights:
        x = torch.randn(tokens, len(weight), dtype=torch.bfloat16, requires_grad=True)
        (x @ weight.clone().requires_grad_()).sum().backward()
    if tokens == 50:
        early = resident()
print(resident() - early)
"""


def test_batches_of_ever_other_sizes_do_not_make_the_process_grow() -> None:
    """60 batches, no two of a length: 0.3 GiB with what torch keeps by itself."""
    own = {name: value for name, value in os.environ.items() if name not in CACHES}
    done = subprocess.run([sys.executable, "-c", SHAPES], env=own, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.06
