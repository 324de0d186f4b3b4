"""What the kit needs of transformers that is private, deprecated or renamed between versions.

Everything else of the package uses transformers' documented names only.
`tests/engine/test_transformers_api.py` names each of these parts and fails first when one moves.
"""

from __future__ import annotations

from inspect import signature

from transformers import PreTrainedModel


def cache_argument(kind: type[PreTrainedModel]) -> str:
    """The argument of `kind.forward` that takes the keys and values of earlier tokens.

    It is `cache` since transformers 5.24, where the old name warns, and `past_key_values` before.
    """
    return "cache" if "cache" in signature(kind.forward).parameters else "past_key_values"
