"""Compiled kernels on the CPU: few are kept, so that memory does not grow with steps and requests.

Nearly every step and every prompt has tensors of other sizes, and a kernel is compiled for each. oneDNN
and ideep, through which torch calls it, keep a thousand of them each, the latter in every thread: 288
training steps grew from 2.5 to 5.6 GiB, 200 batches of prompts by 0.5.
"""

from __future__ import annotations

import os

KEPT = "64"
"""About 0.3 MB each. A step needs a few dozen, which all its layers share; those of other steps do not
come back."""
CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""Variables of oneDNN's cache and of ideep's. Each is read before the first kernel."""


def keep_few_kernels() -> None:
    """Bound the caches of compiled kernels, where the user did not."""
    for name in CACHES:
        os.environ.setdefault(name, KEPT)
