"""Whose row is written next: clients take turns by what was computed for them, not by how much they send.

Each client has a counter of what it was served, as in "Fairness in Serving Large Language Models"
(arXiv:2401.00588): the next row is one of the client that was served least. A client that comes, or comes
back, begins with the counter of the one served least among those that are there, so nobody saves up turns
and nobody pays for the time in which it was alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterator
from math import inf
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
SHARED_PROMPT_TOKENS, FEW_PROMPT_TOKENS = 256, 32
"""The most new tokens of all prompts in one forward while several clients are there, so that no step is long
for all of them; the fewer for clients that were served more than others."""
ROOM_TO_GROW = 64
"""Tokens that each row can be written further, at least, where a row is let in."""
WORTH_PAUSING = 8
"""Tokens that a row is written, at least, before it is paused as the only one of its client."""
PRESENT = 100
"""Steps for which a client without a row counts as there: the next is likely to come."""
PROMPT_SHARE = 0.5
"""What a computed prompt token counts for, against one for a token that is written."""
ROW_COST = 1.0
"""What beginning a row counts for, so that rows of equal clients take turns."""
SLICE = 256.0
"""So much more than a client without any row must another have been served before its row makes room, where
there are more clients than rows."""


class FairQueue(Generic[ItemT]):
    """Waiting rows of clients, and how much each client was served. Used from one thread.

    A client's own rows come in their order. It knows how many rows of each client run, because it is told.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[ItemT]] = {}
        self._running: Counter[str] = Counter()
        self._served: dict[str, float] = {}
        self._floor = 0.0
        self._step = 0
        self._last_step: dict[str, int] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[ItemT]:
        return (item for items in self._waiting.values() for item in items)

    @property
    def clients(self) -> int:
        """How many clients have a row that waits or runs."""
        return len(self._waiting.keys() | self._running.keys())

    @property
    def present(self) -> int:
        """How many clients have a row, or had one a short while ago; one at least."""
        return max(1, len(self._waiting.keys() | self._running.keys() | self._last_step.keys()))

    def tick(self) -> None:
        """A step has begun."""
        self._step += 1
        self._last_step = {one: step for one, step in self._last_step.items() if self._step - step <= PRESENT}

    def prompt_tokens(self, client: str, alone: int) -> int:
        """How many new tokens of a client's prompts may be computed in one forward; `alone` if nobody else
        is there."""
        if self.present == 1:
            return alone
        present = self._waiting.keys() | self._running.keys()
        least = min((self._served[other] for other in present), default=0.0)
        return FEW_PROMPT_TOKENS if self._served[client] > least + SLICE else SHARED_PROMPT_TOKENS

    def add(self, client: str, item: ItemT) -> None:
        """Put a row behind the client's others."""
        if client not in self._waiting and client not in self._running:
            self._served[client] = max(self._served.get(client, 0.0), self._least())
        self._waiting.setdefault(client, deque()).append(item)

    def next_client(self, share: int | None = None) -> str | None:
        """The client whose row is next: of those with one that waits, and fewer that run than they may
        have (see `has_more`), the one that was served least."""
        waiting = (client for client in self._waiting if self._running[client] < self._most(client, share))
        return min(waiting, key=self._served.__getitem__, default=None)

    def has_more(self, share: int | None = None) -> str | None:
        """A client with more running rows than it may have: `share`, and while others are there no more than
        one of them asks for. Any number if `share` is None."""
        return next((one for one, rows in self._running.items() if rows > self._most(one, share)), None)

    def _most(self, client: str, share: int | None) -> float:
        if share is None:
            return inf
        if self.present == 1:
            return share
        others = (self._waiting.keys() | self._running.keys()) - {client}
        asked = (len(self._waiting.get(one, ())) + self._running[one] for one in others)
        return max(1, min(share, max(asked, default=1)))

    def first(self, client: str) -> ItemT:
        """The client's next row."""
        return self._waiting[client][0]

    def pop(self, client: str) -> ItemT:
        """Take the client's next row out; it counts as begun."""
        item = self.first(client)
        self.remove(client, item)
        self._served[client] += ROW_COST
        return item

    def put_back(self, client: str, item: ItemT) -> None:
        """Put a row that was taken out before the client's others, as if it had stayed."""
        self._served[client] -= ROW_COST
        self.put_first(client, item)

    def put_first(self, client: str, item: ItemT) -> None:
        """Put a row that ran and was paused before the client's others."""
        self._waiting.setdefault(client, deque()).appendleft(item)

    def remove(self, client: str, item: ItemT) -> None:
        """Take a waiting row out; it never ran."""
        items = self._waiting[client]
        items.remove(item)
        if not items:
            del self._waiting[client]

    def begin(self, client: str) -> None:
        """A row of the client runs now."""
        self._running[client] += 1

    def end(self, client: str) -> None:
        """A row of the client runs no longer."""
        self._least()
        self._last_step[client] = self._step
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]

    def charge(self, client: str, cost: float) -> None:
        """Count what was computed for a client."""
        self._served[client] += cost

    def served(self, client: str) -> float:
        """What was computed for a client so far, in written tokens."""
        return self._served[client]

    def who_makes_room(
        self,
        client: str,
        *,
        in_time_only: bool = False,
        greedy: Collection[str] = (),
        fresh: Collection[str] = (),
    ) -> str | None:
        """The client one of whose running rows gives way to the next row of `client`; None if it has to wait.

        That is one with at least two rows more, so that shares become more equal. If `client` has no row at
        all, it is one that was served more for long enough, or a greedy one at once.

        Args:
            client: whose row is next.
            in_time_only: its row asks for so much that it has to wait until others were served long enough.
            greedy: clients that take more room than their share.
            fresh: clients whose newest row has got nowhere yet: it is not the only one to give way.
        """
        own = self._running[client]
        others = {other: rows for other, rows in self._running.items() if other != client and rows}
        most = max(others, key=lambda other: (others[other], self._served[other]), default=None)
        if most is not None and others[most] >= own + 2 and not in_time_only:
            return most
        if own:
            return None
        ahead = {other: self._served[other] - self._served[client] for other in others if other not in fresh}
        taking = [] if in_time_only else [other for other in ahead if other in greedy and ahead[other] >= 0]
        return max(
            taking or [other for other in ahead if ahead[other] >= SLICE], key=ahead.__getitem__, default=None
        )

    def who_gives_way(self) -> str:
        """The client one of whose rows gives way where running rows have outgrown their room."""
        return max(self._running, key=self._served.__getitem__)

    def _least(self) -> float:
        """The least that one of the present clients was served, or was when there were some."""
        present = self._waiting.keys() | self._running.keys()
        self._floor = max(self._floor, min(map(self._served.__getitem__, present), default=0.0))
        return self._floor
