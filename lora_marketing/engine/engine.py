"""The engine: rows of many brands join and leave one running batch, each with its own adapter.

`submit` and `cancel` may be called from any thread; one thread calls `step`. A step first lets
waiting rows in and computes their prompts, then computes one forward for all rows, which gives each
of them one more token.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import torch
from torch import Tensor

from lora_marketing.common.errors import AdapterRefused, LoraMarketingError
from lora_marketing.engine.adapter_slots import AdapterSlots
from lora_marketing.engine.adapters import require_same_base, stack_dtype
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.prefix_cache import Identity, agreeing
from lora_marketing.engine.request import Finish, Progress, Request, RowOutput
from lora_marketing.engine.row import Row
from lora_marketing.engine.row_cache import InputChunk, row_cache_for
from lora_marketing.engine.slot_memory import SlotMemory
from lora_marketing.engine.stacked_lora import BatchGroups, Groups, install
from lora_marketing.engine.stats import EngineStats
from lora_marketing.registry.files import FileHashes
from lora_marketing.registry.version import Version

Listener = Callable[[Progress], None]

WORTH_WAITING = 16
"""A row that shares so many tokens with one that is being let in waits until these are computed."""
PROMPT_TOKENS = 2048
"""Prompts computed in one forward have so many new tokens together, or it is a single one."""


class RowHandle:
    """A submitted row, as the one who waits for it holds it."""

    def __init__(self, request: Request, listen: Listener, wake: Event) -> None:
        self.request = request
        self.listen = listen
        self.cancelled = False
        self._wake = wake

    def cancel(self) -> None:
        """Nobody waits for this row any more: it ends before the next forward."""
        self.cancelled = True
        self._wake.set()

    def end(self, finish: Finish, error: LoraMarketingError | None = None) -> None:
        """Tell the listener that nothing was written."""
        self.listen(Progress("", 0, RowOutput((), "", finish), error))


@dataclass(frozen=True)
class _Running:
    """One row of the batch: its text, who waits for it, its slot, and how many tokens of its prompt
    were known when it joined."""

    ticket: RowHandle
    row: Row
    slot: int
    reused: int

    def next_feed(self) -> InputChunk:
        token, position = self.row.next_input()
        return InputChunk([token], position)

    def columns(self) -> int:
        return _columns(self.ticket.request)


class Engine:
    """Writes rows of any adapters over one base, continuously.

    Args:
        base: a loaded base. It is not changed: the engine works on modules of its own over its tensors.
        max_rows: rows that are computed together; others wait their turn.
        row_tokens: how much rows times the tokens of the longest may be; a row alone may be longer.
        adapter_slots: adapters that can be computed with at the same time.
        prefix_bytes: how much is remembered of what prompts computed to.
        host_bytes: how much host memory keeps adapters that have no slot.
        slot_bytes: how much memory the slots may take together; None asks what is free now.
    """

    def __init__(
        self,
        base: LoadedBase,
        *,
        max_rows: int = 32,
        row_tokens: int = 65_536,
        adapter_slots: int = 32,
        prefix_bytes: int = 512 << 20,
        host_bytes: int = 1 << 30,
        slot_bytes: int | None = None,
    ) -> None:
        self.base = base
        self.max_rows = max_rows
        self.row_tokens = row_tokens
        self.context = int(base.model.config.get_text_config().max_position_embeddings)
        model = base.with_modules_of_its_own().model
        self._seating = BatchGroups()
        stacks = install(model, list(base.linear_shapes), self._seating)
        memory = SlotMemory(stacks, adapter_slots + 1, stack_dtype(base), slot_bytes)
        self._slots = AdapterSlots(base, memory, adapter_slots, host_bytes)
        self._memory = row_cache_for(model, base.tokenizer.pad_token_id, prefix_bytes)
        self._waiting: deque[RowHandle] = deque()
        self._running: list[_Running] = []
        self._wake = Event()
        self._seated: tuple[tuple[int, int], ...] = ()
        self._groups: Groups | None = None
        self._steps = self._tokens = self._computed = self._reused = self._finished = 0

    def register(self, version: Version) -> str:
        """Know a published version; its files are read when a row needs them. Returns its key.

        Raises:
            AdapterRefused: it was trained on another base, or its manifest lists no hashes of its files.
        """
        require_same_base(version, self.base)
        self._slots.register(version.digest, version.folder, version.hashes)
        return version.digest

    def load(self, key: str, folder: Path, published: FileHashes | None = None) -> None:
        """Read an adapter now, under `key`, in place of what `key` named before.

        With `published`, its files must have these hashes.

        Raises:
            AdapterRefused: the load gate refuses it, or rows are being written with what it would
                replace; nothing that was loaded changes.
        """
        self._slots.load(key, folder, published)
        self._memory.prefixes.forget(key)

    @torch.inference_mode()
    def prepare(self) -> None:
        """Bring in the adapters that are known, as far as there are slots: so no first request waits
        for them, and the memory of all slots is taken before there are requests."""
        self._slots.prepare()

    def submit(self, request: Request, listen: Listener) -> RowHandle:
        """Let a row wait for its turn. `listen` hears of its progress from the stepping thread."""
        ticket = RowHandle(request, listen, self._wake)
        self._waiting.append(ticket)
        self._wake.set()
        return ticket

    def wait(self, timeout: float) -> None:
        """Wait until something was submitted or cancelled, at most `timeout` seconds."""
        self._wake.wait(timeout)
        self._wake.clear()

    @torch.inference_mode()
    def step(self) -> bool:
        """One more token for every row; False if there was nothing to do.

        Whatever it raises, the rows cannot go on: call `abandon` then.
        """
        busy = bool(self._waiting or self._running)
        self._end_cancelled()
        others = bool(self._running)
        while joined := self._let_in():
            self._compute_prompts(joined)
            if others:  # they wait for one batch of prompts at most
                break
        if self._running:
            self._steps += 1
            self._advance(0, self._logits(0, [one.next_feed() for one in self._running]))
            self._let_go(0)
        return busy

    @torch.inference_mode()
    def abandon(self) -> None:
        """Forget all rows without a word; adapters and computed prefixes stay."""
        while self._running:
            self._drop(len(self._running) - 1)
        self._waiting.clear()

    def figures(self) -> EngineStats:
        """What the engine has done, and how it stands."""
        return EngineStats(
            steps=self._steps,
            tokens_written=self._tokens,
            prompt_tokens_computed=self._computed,
            prompt_tokens_reused=self._reused,
            adapter_loads=self._slots.loads,
            adapter_load_seconds=self._slots.load_seconds,
            rows_finished=self._finished,
            rows_running=len(self._running),
            rows_waiting=len(self._waiting),
            max_rows=self.max_rows,
            adapters_resident=len(self._slots.resident),
            prefix_bytes=self._memory.prefixes.bytes,
            prefix_limit_bytes=self._memory.prefixes.limit,
            kv_bytes=self._memory.bytes,
        )

    def _let_in(self) -> list[_Running]:
        """The rows whose prompts are computed next: first come, first served, but for a row that waits
        until what it shares with another is computed."""
        joined: list[_Running] = []
        sharing: list[RowHandle] = []
        while self._waiting and len(self._running) + len(joined) + len(sharing) < self.max_rows:
            ticket = self._waiting.popleft()
            if self._will_share(ticket.request, joined):
                sharing.append(ticket)
            elif not self._joins(ticket, joined):
                self._waiting.appendleft(ticket)
                break
        self._waiting.extendleft(reversed(sharing))
        return joined

    def _will_share(self, request: Request, joined: Sequence[_Running]) -> bool:
        prefixes, identity = self._memory.prefixes, self._identity(request)
        kin = [one.ticket.request for one in joined if self._identity(one.ticket.request) == identity]
        if not kin or not prefixes.limit:
            return False
        shared = max(agreeing(request.prompt, other.prompt) for other in kin)
        return shared >= prefixes.known(identity, request.prompt) + WORTH_WAITING

    def _joins(self, ticket: RowHandle, joined: list[_Running]) -> bool:
        """Let a row in, or tell its listener why it is over already; False if it has to wait."""
        request = ticket.request
        if ticket.cancelled:
            ticket.end("cancelled")
            return True
        if not self._has_room(request, joined):
            return False
        row = Row(request, self.base)
        if row.written:
            ticket.end(row.written.finish)
            return True
        try:
            slot = self._slots.hold(request.adapter)
        except AdapterRefused as error:
            ticket.end("failed", error)
            return True
        if slot is None:
            return False
        reused = self._memory.join(_columns(request), self._identity(request), request.prompt)
        joined.append(_Running(ticket, row, slot, reused))
        return True

    def _has_room(self, request: Request, joined: Sequence[_Running]) -> bool:
        others = [*self._running, *joined]
        longest = max((one.columns() for one in others), default=0)
        if others and (len(others) + 1) * max(longest, _columns(request)) > self.row_tokens:
            return False
        new = sum(len(one.ticket.request.prompt) - one.reused for one in joined)
        return not joined or new + len(request.prompt) <= PROMPT_TOKENS

    def _identity(self, request: Request) -> Identity:
        scope = request.scope if request.adapter is None else ""
        return Identity(self.base.pin.fingerprint, str(self.base.compute_dtype), request.adapter, scope)

    def _compute_prompts(self, joined: Sequence[_Running]) -> None:
        first = len(self._running)
        self._running += joined
        feeds = [InputChunk(one.ticket.request.prompt[one.reused :], one.reused) for one in joined]
        self._advance(first, self._logits(first, feeds))
        for number, (one, feed) in enumerate(zip(joined, feeds, strict=True), start=first):
            request = one.ticket.request  # kept after its first token was told: nobody waits for that
            self._memory.keep(number, self._identity(request), request.prompt)
            self._computed += len(feed.tokens)
            self._reused += one.reused
        self._let_go(first)

    def _logits(self, first: int, feeds: Sequence[InputChunk]) -> Tensor:
        """(rows, vocabulary) logits that follow each feed, for rows `first` and on."""
        rows = self._running[first:]
        width = len(rows) if self._memory.together else 1
        return torch.cat(
            [
                self._forward(first + at, rows[at : at + width], feeds[at : at + width])
                for at in range(0, len(rows), width)
            ]
        )

    def _advance(self, first: int, logits: Tensor) -> None:
        """Give rows `first` and on their next token, and tell who waits for it."""
        for one, scores in zip(self._running[first:], logits.cpu(), strict=True):
            one.row.choose(scores)
            self._tokens += 1
            one.ticket.listen(one.row.take_progress())

    def _let_go(self, first: int) -> None:
        """Rows `first` and on that have ended leave."""
        for number in reversed(range(first, len(self._running))):
            if self._running[number].row.written:
                self._finished += 1
                self._drop(number)

    def _forward(self, first: int, rows: Sequence[_Running], feeds: Sequence[InputChunk]) -> Tensor:
        self._seating.groups = self._grouped(rows)
        try:
            return self._memory.compute(first, feeds)
        finally:
            self._seating.groups = None

    def _grouped(self, rows: Sequence[_Running]) -> Groups | None:
        """Rows by slot; the same object as long as nothing changes, so that layers keep their stacks."""
        ranks = self._slots.ranks
        seated = tuple((one.slot, ranks.get(one.slot, 0)) for one in rows)
        if seated != self._seated:
            self._seated = seated
            self._groups = Groups.of([one.slot for one in rows], ranks, self.base.device)
        return self._groups

    def _end_cancelled(self) -> None:
        for number in reversed(range(len(self._running))):
            one = self._running[number]
            if one.ticket.cancelled:
                tokens = tuple(one.row.tokens)
                written = RowOutput(tokens, self.base.decode(tokens), "cancelled")
                one.ticket.listen(Progress("", len(tokens), written))
                self._drop(number)

    def _drop(self, number: int) -> None:
        """End a row; the last row takes its number."""
        self._slots.let_go(self._running[number].ticket.request.adapter)
        self._memory.drop(number)
        last = self._running.pop()
        if number < len(self._running):
            self._running[number] = last


def _columns(request: Request) -> int:
    """The most tokens that a row can come to."""
    return len(request.prompt) + request.sampling.max_new_tokens
