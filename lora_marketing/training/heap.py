"""Memory of a run on the CPU: it does not grow with its steps, and every run has a peak of its own.

Every step has tensors of other sizes, and a kernel is compiled for each. oneDNN and the layer that torch
has above it keep a thousand of them each, the latter in every thread: 288 steps grew from 2.5 to 5.6 GiB.
"""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path

import torch

GIB = 2**30
PROCESS = Path("/proc/self")
KERNELS = "64"
"""Compiled kernels that are kept, about 0.3 MB each. 1,024 are of many steps, whose sizes do not come
back; a micro-batch needs a few dozen, which all its layers share."""
CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""Variables of oneDNN's cache and of ideep's, through which torch calls oneDNN."""


def keep_few_kernels() -> None:
    """Bound the caches of compiled kernels, which are read before the first one; a user's own value holds."""
    for name in CACHES:
        os.environ.setdefault(name, KERNELS)


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
