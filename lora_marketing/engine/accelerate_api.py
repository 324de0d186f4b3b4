"""What the kit needs of accelerate that is private or undocumented: a state shared by a whole process.

Every other file uses the modules in DOCUMENTED alone, which `tests/test_architecture.py` proves.
`tests/engine/test_accelerate_api.py` names each part and fails before all other tests when one moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

try:
    from accelerate.state import GradientState
except ImportError as error:
    moved = f"accelerate moved what the kit needs of it: {error}. Put its new place into {__file__}"
    raise ImportError(moved) from error

DOCUMENTED = frozenset({"accelerate"})
"""Modules that accelerate documents and the kit may use."""

PRIVATE_NAMES: frozenset[str] = frozenset()
"""Attributes without an underscore that no other file may name."""


def gradient_state() -> dict[str, Any]:
    """A copy of what accelerate keeps of the running step, once per process.

    It says whether a micro-batch is the last of its step: an optimizer does not step when it is not.
    """
    return {name: copy(value) for name, value in vars(GradientState()).items()}


def put_gradient_state(values: Mapping[str, Any]) -> None:
    """Put a copy that `gradient_state` made back in place."""
    vars(GradientState()).update(values)
