"""Tiny matrices are slower on two threads than on one."""

from tests.engine.conftest import _one_thread

__all__ = ["_one_thread"]
