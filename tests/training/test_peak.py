from __future__ import annotations

import subprocess
import sys

CHILD = """
from transformers import TrainerControl
from lora_marketing.training.peak import TrimHeapCallback, begin_peak, peak_memory_gib

def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmRSS"))

def with_holes():
    blocks = [bytearray(60_000) for _ in range(8_000)]
    return blocks[::100]

def step_end(should_evaluate):
    TrimHeapCallback().on_step_end(None, None, TrainerControl(should_evaluate=should_evaluate))
    return resident()

print(resident())
kept = with_holes()
print(resident(), step_end(False), peak_memory_gib(), step_end(True))
kept = with_holes()
TrimHeapCallback().on_evaluate(None, None, None)
print(resident())
kept = with_holes()
begin_peak()
print(resident(), peak_memory_gib())
"""


def test_a_peak_begins_anew_and_holes_in_the_heap_are_given_back() -> None:
    """480 MB in pieces, of which every hundredth is kept: the heap cannot shrink, but its holes can."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    lines = [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
    ((empty,), (held, still_held, peak, trimmed), (after_evaluation,), (begun, new_peak)) = lines
    assert min(held, still_held) > empty + 0.4
    assert peak > held - 0.01  # the system counts pages now and then
    assert max(trimmed, after_evaluation, begun) < empty + 0.1
    assert new_peak < begun + 0.1
