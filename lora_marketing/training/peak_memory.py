"""Peak memory of a run: each has its own, also where several share a process, and holes do not add to it."""

from __future__ import annotations

import ctypes
import resource
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

GIB = 2**30
PROCESS = Path("/proc/self")


class TrimHeapCallback(TrainerCallback):
    """Gives back what the heap holds free, before and after every evaluation.

    Steps have tensors of other sizes, and glibc keeps what they leave in pieces that the next ones do not
    fit. After every step it would cost 8 to 13 % of speed: fresh pages are slower than holes.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """After the step that an evaluation follows."""
        if control.should_evaluate:
            _give_back()

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """After an evaluation."""
        _give_back()


def begin_peak() -> None:
    """Forget the peak so far: from now on `peak_memory_gib` is that of what follows.

    What an earlier run left free in the heap goes back to the system. A system that does not let a
    process forget its peak goes on with the old one.
    """
    _give_back()
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


def _give_back() -> None:
    """Return the heap's free pages to the system, with glibc; other C libraries do not keep them so."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
