"""Memory of a run on the CPU: holes in the heap go back to the system, and every run has a peak of its own.

Every step has tensors of other sizes. glibc's malloc keeps what they leave behind, in pieces that the
next step's tensors do not fit: 30 steps grew from 2.5 to 3.5 GiB, 288 steps to 5.6.
"""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

GIB = 2**30
PROCESS = Path("/proc/self")
PRIMITIVES = "128"
"""Compiled kernels that oneDNN keeps, about 0.3 MB each. Its 1,024 are of many steps, whose sizes do not
come back; a micro-batch needs a few dozen, which all its layers share."""


class HeapCallback(TrainerCallback):
    """Gives back what the heap holds free, after every micro-batch of training and evaluation."""

    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Between micro-batches of one step."""
        give_back()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """After an optimizer step."""
        give_back()

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """After a micro-batch of an evaluation."""
        give_back()


def keep_few_kernels() -> None:
    """Bound what oneDNN caches. It reads its variable before its first kernel; a user's own value holds."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", PRIMITIVES)


def give_back() -> None:
    """Return the heap's free pages to the system, with glibc; other C libraries do not keep them so."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def begin_peak() -> None:
    """Forget the peak so far: from now on `peak_memory_gib` is that of what follows.

    A system that does not let a process forget it goes on with the old one.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5", encoding="ascii")  # proc(5)


def peak_memory_gib() -> float:
    """Peak memory since `begin_peak` in GiB: allocated on the GPU if there is one, else this process's."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / GIB
    return _resident_peak() / GIB


def _resident_peak() -> int:
    """Bytes. `ru_maxrss` is also that of whatever this process was before it became this program."""
    with suppress(OSError):
        for line in (PROCESS / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
