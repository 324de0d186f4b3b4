"""Which tokens of a prompt all keys of a brand share: its own system turn, and nothing that a client sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lora_marketing.serving.keys import Caller
from lora_marketing.tasks import Message

if TYPE_CHECKING:
    from lora_marketing.engine.base import LoadedBase
    from lora_marketing.engine.request import Request

MOST_KEPT = 256
"""Brands whose first tokens are remembered."""


class SharedPrefixes:
    """The first tokens of every brand's prompts, rendered once each. May be used from several threads.

    Args:
        base: what renders chats.
    """

    def __init__(self, base: LoadedBase) -> None:
        self._base = base
        self._tokens: dict[str, list[int]] = {}

    def kept_apart(self, requests: Sequence[Request], caller: Caller, turn: Message | None) -> list[Request]:
        """The requests, sharing nothing with other callers' but the brand's own system turn.

        Args:
            requests: rows to write.
            caller: whose they are.
            turn: what the kit put before them; None where the client wrote all of it, for then the time of
                an answer would tell a guess at the brand's guide that is right.
        """
        from lora_marketing.engine.prefix_cache import agreeing

        beginning = [] if turn is None else self._beginning(turn)
        return [
            replace(request, scope=caller.id, shared=agreeing(request.prompt, beginning))
            for request in requests
        ]

    def _beginning(self, turn: Message) -> Sequence[int]:
        known = self._tokens.get(turn["content"])
        if known is None:
            known = self._base.encode([turn, {"role": "user", "content": "?"}], header=True)
            if len(self._tokens) >= MOST_KEPT:
                self._tokens.clear()
            self._tokens[turn["content"]] = known
        return known
