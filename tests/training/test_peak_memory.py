from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl

from lora_marketing.training.peak_memory import TrimHeapCallback, begin_peak, peak_memory_gib
from tests.forks import Forks


def resident() -> float:
    """GiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmRSS"))


def with_holes() -> list[bytearray]:
    blocks = [bytearray(60_000) for _ in range(8_000)]
    return blocks[::100]


def measure(found: Path) -> None:
    callback = TrimHeapCallback()
    nothing: Any = None

    def step_end(should_evaluate: bool) -> float:
        callback.on_step_end(nothing, nothing, TrainerControl(should_evaluate=should_evaluate))
        return resident()

    begin_peak()
    gib = {"empty": resident()}
    kept = with_holes()
    gib |= {"held": resident(), "still held": step_end(False), "peak": peak_memory_gib()}
    gib["trimmed"] = step_end(True)
    kept = with_holes()
    callback.on_evaluate(nothing, nothing, nothing)
    gib["after evaluation"] = resident()
    kept = with_holes()
    begin_peak()
    gib |= {"begun": resident(), "new peak": peak_memory_gib()}
    assert kept
    found.write_text(json.dumps(gib), encoding="utf-8")


@pytest.mark.thorough
def test_a_peak_begins_anew_and_holes_in_the_heap_are_given_back(forks: Forks, tmp_path: Path) -> None:
    """480 MB in pieces, of which every hundredth is kept: the heap cannot shrink, but its holes can."""
    assert forks.run(measure, tmp_path / "found.json") == 0
    gib = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert min(gib["held"], gib["still held"]) > gib["empty"] + 0.4
    assert gib["peak"] > gib["held"] - 0.01  # the system counts pages now and then
    assert max(gib["trimmed"], gib["after evaluation"], gib["begun"]) < gib["empty"] + 0.1
    assert gib["new peak"] < gib["begun"] + 0.1
