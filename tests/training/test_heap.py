from __future__ import annotations

import subprocess
import sys

RESIDENT = """
def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmRSS"))
"""
HOLES = f"""
from lora_marketing.training.heap import begin_peak, peak_memory_gib
{RESIDENT}
empty = resident()
blocks = [bytearray(60_000) for _ in range(8_000)]
full = resident()
kept = blocks[::100]
del blocks
held = resident()
print(empty, full, held, peak_memory_gib())
begin_peak()
print(resident(), peak_memory_gib())
"""
SHAPES = f"""
import torch
from lora_marketing.training.heap import keep_few_kernels
{RESIDENT}
keep_few_kernels()
weights = [torch.randn(sizes, dtype=torch.bfloat16) for sizes in ((576, 1536), (1536, 576), (576, 16))]
for tokens in range(300, 360):
    for weight in weights:
        x = torch.randn(tokens, len(weight), dtype=torch.bfloat16, requires_grad=True)
        (x @ weight.clone().requires_grad_()).sum().backward()
    if tokens == 310:
        early = resident()
print(early, resident())
"""


def test_a_peak_begins_anew_and_holes_in_the_heap_are_given_back() -> None:
    """480 MB in pieces, of which every hundredth is kept: the heap cannot shrink, but its holes can."""
    first, second = _run(HOLES)
    empty, full, held, peak = first
    assert full - empty > 0.4
    assert held > full - 0.1
    assert peak > full - 0.01  # the system counts pages now and then
    resident, new_peak = second
    assert resident < empty + 0.1
    assert new_peak < resident + 0.1


def test_steps_of_ever_other_sizes_do_not_make_the_process_grow() -> None:
    """60 batches, no two of a length."""
    ((early, late),) = _run(SHAPES)
    assert late < early + 0.06


def _run(program: str) -> list[list[float]]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
