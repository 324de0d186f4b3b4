"""All tests: the libraries' own objects are not searched for garbage again and again."""

from __future__ import annotations

import gc

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """By now every library is imported: half a million objects that no test ever frees.

    Trainer collects garbage at the beginning and the end of a run, 0.4 s each time without this.
    """
    gc.collect()
    gc.freeze()
