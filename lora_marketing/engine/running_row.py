"""A row on its way through the engine: submitted, and then one of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Event

from lora_marketing.common.errors import LoraMarketingError, Problem, RowFailed
from lora_marketing.common.faults import KeptFault
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.request import Progress, Request, RowOutput
from lora_marketing.engine.row import Row
from lora_marketing.engine.row_cache import InputChunk

Listener = Callable[[Progress], None]


class RowHandle:
    """What `Engine.submit` returns for one row: its request, and a way to cancel it.

    Args:
        request: the row that was submitted.
        listen: called with the row's `Progress` after every token, by the thread that steps.
        wake: set when the row is cancelled, so that a waiting engine looks at it.
    """

    def __init__(self, request: Request, listen: Listener, wake: Event) -> None:
        self.request = request
        self.listen = listen
        self.cancelled = False
        self.row: Row | None = None
        """What is written of it; None before its first step."""
        self._wake = wake

    def cancel(self) -> None:
        """End the row before the next forward. Any thread may call this."""
        self.cancelled = True
        self._wake.set()

    def tokens(self) -> Sequence[int]:
        """Its prompt, and what is written of it."""
        return [*self.request.prompt, *(self.row.tokens if self.row else ())]

    def fail(self, fault: Exception) -> None:
        """End the row with what went wrong while it was let in or written."""
        error = fault if isinstance(fault, LoraMarketingError) else _row_failed(fault)
        row = self.row
        with KeptFault():  # its listener may be what failed
            if row is None:
                self.listen(Progress("", 0, RowOutput((), "", "failed"), error))
            else:
                row.give_up(error)
                self.listen(row.take_progress())

    def end_cancelled(self, base: LoadedBase) -> None:
        """Call the listener a last time, with the tokens that the row had."""
        tokens = tuple(self.row.tokens if self.row else ())
        with KeptFault():  # nobody may listen any more
            self.listen(Progress("", len(tokens), RowOutput(tokens, base.decode(tokens), "cancelled")))


@dataclass
class RunningRow:
    """One row of the batch: its handle, its text and its adapter's slot. Of its tokens `reused` came from
    the prefix cache and `computed` are in the row's cache; `ready` once a token may be chosen."""

    handle: RowHandle
    row: Row
    slot: int
    reused: int
    computed: int
    ready: bool = False

    def __post_init__(self) -> None:
        self._begun = len(self.row.tokens)

    @property
    def progress(self) -> int:
        """Tokens written since it was let in."""
        return len(self.row.tokens) - self._begun

    @property
    def client(self) -> str:
        """Whose row it is."""
        return self.handle.request.client

    def next_chunk(self) -> InputChunk:
        """The token after which the next is chosen; nothing if there are others to compute before."""
        if not self.ready:
            return InputChunk([], 0)
        token, position = self.row.next_input()
        return InputChunk([token], position)

    def next_piece(self, most: int) -> InputChunk:
        """The next of the tokens that stand already, `most` at most."""
        tokens = self.handle.tokens()
        piece = InputChunk(tokens[self.computed : self.computed + most], self.computed)
        self.computed += len(piece.tokens)
        self.ready = self.computed == len(tokens)
        return piece

    def cost(self, usual: float) -> float:
        """What its next step counts for: a row longer than `usual` leaves room for fewer rows beside it."""
        return 1 + self.columns() / usual if self.ready else 0

    def columns(self) -> int:
        """Tokens that it has after the next step."""
        return len(self.handle.request.prompt) + len(self.row.tokens) + 1


def by_client(rows: Iterable[RunningRow]) -> dict[str, list[RunningRow]]:
    """Each client's rows, in their order."""
    found: dict[str, list[RunningRow]] = {}
    for running in rows:
        found.setdefault(running.client, []).append(running)
    return found


def _row_failed(fault: Exception) -> RowFailed:
    error = RowFailed(Problem("a row could not be written", got=type(fault).__name__))
    error.__cause__ = fault
    return error
