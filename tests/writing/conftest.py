"""The engine's tiny base, to write copy with."""

from tests.engine.conftest import _one_thread, llama

__all__ = ["_one_thread", "llama"]
