from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _voices_once(voices_once: None) -> None:
    """For every test of this folder."""
