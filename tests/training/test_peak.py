from __future__ import annotations

import subprocess
import sys

CHILD = """
from lora_marketing.training.peak import begin_peak, peak_memory_gib

def resident():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmRSS"))

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


def test_a_peak_begins_anew_and_holes_in_the_heap_are_given_back() -> None:
    """480 MB in pieces, of which every hundredth is kept: the heap cannot shrink, but its holes can."""
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    first, second = ([float(word) for word in line.split()] for line in done.stdout.splitlines())
    empty, full, held, peak = first
    assert full - empty > 0.4
    assert held > full - 0.1
    assert peak > full - 0.01  # the system counts pages now and then
    resident, new_peak = second
    assert resident < empty + 0.1
    assert new_peak < resident + 0.1
