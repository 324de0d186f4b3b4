"""The engine: rows of many brands join and leave one running batch, each with its own adapter.

`submit` and `cancel` may be called from any thread; one thread calls `step`. A step first lets waiting rows
in and computes their prompts, then one forward for all rows, which gives each of them one more token.
Clients take turns (`engine/fair_queue.py`): where there is no room for the next row, one of a client that
has more is paused and computed again later. What fails for one row ends that row alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import torch
from torch import Tensor

from lora_marketing.common.faults import KeptFault
from lora_marketing.engine.adapter_slots import AdapterSlots
from lora_marketing.engine.adapter_weights import require_same_base, stack_dtype
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.fair_queue import PROMPT_SHARE, ROOM_TO_GROW, WORTH_PAUSING, FairQueue
from lora_marketing.engine.prefix_cache import Identity, agreeing
from lora_marketing.engine.request import Request
from lora_marketing.engine.row import Row
from lora_marketing.engine.row_cache import InputChunk, row_cache_for
from lora_marketing.engine.running_row import Listener, RowHandle, RunningRow, by_client
from lora_marketing.engine.slot_memory import SlotMemory
from lora_marketing.engine.stacked_lora import BatchGroups, Groups, install
from lora_marketing.engine.stats import EngineStats
from lora_marketing.registry.files import FileHashes
from lora_marketing.registry.version import Version

WORTH_WAITING = 16
"""A row that shares so many prompt tokens with one being admitted waits until they are computed."""
PROMPT_TOKENS = 2048
"""The most new tokens of all prompts computed in one forward; a longer prompt is computed in pieces."""


class Engine:
    """Writes rows of any adapters over one base, continuously.

    Args:
        base: a loaded base. It is not changed: the engine works on modules of its own over its tensors.
        max_rows: rows that are computed together; others wait their turn.
        row_tokens: how much rows times the tokens of the longest may be; a row alone may be longer. Rows
            take what they have by now, so those that outgrow it make others wait, and are paused in turn.
        adapter_slots: adapters that can be computed with at the same time.
        prefix_bytes: limit of the prefix cache, the keys and values of computed prompts.
        host_bytes: limit of host memory for adapters that have no slot.
        slot_bytes: limit of the slots' memory together; None asks what is free now.
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
        embeddings = base.model.get_input_embeddings().weight
        assert isinstance(embeddings, Tensor)
        self.vocabulary = len(embeddings)  # some tokenizers have more tokens than their model
        model = base.with_modules_of_its_own().model
        self._batch_groups = BatchGroups()
        stacks = install(model, list(base.linear_shapes), self._batch_groups)
        slot_memory = SlotMemory(stacks, adapter_slots + 1, stack_dtype(base), slot_bytes)
        self._slots = AdapterSlots(base, slot_memory, adapter_slots, host_bytes)
        self._cache = row_cache_for(model, base.tokenizer.pad_token_id, prefix_bytes)
        self._inbox: deque[RowHandle] = deque()
        self._queue: FairQueue[RowHandle] = FairQueue()
        self._running: list[RunningRow] = []
        self._cpu = base.device.type == "cpu"
        self._wake = Event()
        self._grouped_slots: tuple[tuple[int, int], ...] = ()
        self._groups: Groups | None = None
        self._steps = self._tokens = self._computed = self._reused = self._finished = self._paused = 0

    def register(self, version: Version) -> str:
        """Register a published version, whose files are read when a row first needs them.

        Returns the key that requests name it by, its digest.

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
        self._cache.prefixes.forget(key)

    @torch.inference_mode()
    def prepare(self) -> None:
        """Load registered adapters as far as there are slots, so that no first request waits for them
        and the memory of all slots is taken before there are requests."""
        self._slots.prepare()

    def submit(self, request: Request, listen: Listener) -> RowHandle:
        """Queue a row, from any thread. `listen` is called with its progress by the thread that steps."""
        handle = RowHandle(request, listen, self._wake)
        self._inbox.append(handle)
        self._wake.set()
        return handle

    def wait(self, timeout: float) -> None:
        """Block until a row was submitted or cancelled, at most `timeout` seconds."""
        self._wake.wait(timeout)
        self._wake.clear()

    @torch.inference_mode()
    def step(self) -> bool:
        """Give every row one more token. Returns False if there was no row.

        Whatever it raises, the rows cannot go on: call `abandon` then.
        """
        busy = self._take_in() or bool(self._queue or self._running)
        self._end_cancelled()
        others = bool(self._running)
        self._compute_a_piece()
        while admitted := self._admit():
            self._compute_prompts(admitted)
            self._take_in()
            if others or self._queue.clients > 1:  # which wait for one batch of prompts at most
                break
        self._make_rows_fit()
        if any(running.ready for running in self._running):
            self._steps += 1
            self._queue.tick()
            for running in self._running:
                self._queue.charge(running.client, running.cost(self.row_tokens / self.max_rows))
            self._advance(0, self._logits(0, [running.next_chunk() for running in self._running]))
            self._remove_finished(0)
        return busy

    @torch.inference_mode()
    def abandon(self) -> None:
        """Drop all rows without calling their listeners; adapters and computed prefixes stay."""
        while self._running:
            self._drop(len(self._running) - 1)
        self._inbox.clear()
        for handle in list(self._queue):
            self._queue.remove(handle.request.client, handle)

    def figures(self) -> EngineStats:
        """Counters since the engine began, and its present load."""
        return EngineStats(
            steps=self._steps,
            tokens_written=self._tokens,
            prompt_tokens_computed=self._computed,
            prompt_tokens_reused=self._reused,
            adapter_loads=self._slots.loads,
            adapter_load_seconds=self._slots.load_seconds,
            rows_finished=self._finished,
            rows_running=len(self._running),
            rows_waiting=len(self._inbox) + len(self._queue),
            rows_paused=self._paused,
            max_rows=self.max_rows,
            adapters_resident=len(self._slots.resident),
            prefix_bytes=self._cache.prefixes.bytes,
            prefix_limit_bytes=self._cache.prefixes.limit,
            kv_bytes=self._cache.bytes,
        )

    def _take_in(self) -> bool:
        """Put what was submitted into the queue; False if there was nothing."""
        found = bool(self._inbox)
        while self._inbox:
            handle = self._inbox.popleft()
            self._queue.add(handle.request.client, handle)
        return found

    def _admit(self) -> list[RunningRow]:
        """Take rows from the queue whose prompts are computed next: clients in turns, the rows of each in
        their order, but for a row that waits until the prefix which it shares with another is computed."""
        admitted: list[RunningRow] = []
        sharing: list[RowHandle] = []
        while (client := self._queue.next_client(self._rows_each)) is not None and len(
            sharing
        ) < self.max_rows:
            handle = self._queue.first(client)
            if handle.cancelled:
                handle.end_cancelled(self.base)
            elif self._will_share(handle.request, admitted):
                sharing.append(handle)
            elif not self._try_to_admit(handle, admitted):
                break
            self._queue.pop(client)
        for handle in reversed(sharing):
            self._queue.put_back(handle.request.client, handle)
        return admitted

    def _will_share(self, request: Request, admitted: Sequence[RunningRow]) -> bool:
        prefixes, identity = self._cache.prefixes, self._identity(request)
        same_identity = [
            running.handle.request
            for running in admitted
            if self._identity(running.handle.request) == identity
        ]
        if not same_identity or not prefixes.limit:
            return False
        key = request.cache_key()
        shared = max(agreeing(key, other.cache_key()) for other in same_identity)
        return shared >= prefixes.known(identity, key) + WORTH_WAITING

    def _try_to_admit(self, handle: RowHandle, admitted: list[RunningRow]) -> bool:
        """Admit a row, or tell its listener why it has ended already. Returns False if it has to wait."""
        request = handle.request
        if not self._has_room(handle, admitted):
            return False
        with KeptFault() as fault:
            row = handle.row = handle.row or Row(request, self.base)
            if row.written:
                handle.listen(row.take_progress())
                return True
            while (slot := self._slots.hold(request.adapter)) is None:
                if not self._make_room(request.client, admitted):
                    return False
        if fault.error:
            handle.fail(fault.error)
            return True
        assert slot is not None
        tokens = handle.tokens()
        reused = self._cache.join(self._identity(request), request.cache_key(tokens))
        admitted.append(RunningRow(handle, row, slot, reused, reused))
        self._queue.begin(request.client)
        self._queue.charge(request.client, PROMPT_SHARE * (len(tokens) - reused))
        return True

    def _has_room(self, handle: RowHandle, admitted: Sequence[RunningRow]) -> bool:
        """Whether a row can be computed beside the others, some of which may have been paused for it."""
        new = sum(len(running.handle.tokens()) - running.reused for running in admitted)
        columns = len(handle.tokens()) + 1
        if admitted and new + columns - 1 > self._queue.prompt_tokens(handle.request.client, PROMPT_TOKENS):
            return False
        while (rows := len(self._running) + len(admitted)) >= self.max_rows or (
            rows and (rows + 1) * (max(self._longest(admitted), columns) + ROOM_TO_GROW) > self.row_tokens
        ):
            # a row is not to drive out others by being long itself
            too_long = rows < self.max_rows and columns > self._longest(admitted)
            if not self._make_room(handle.request.client, admitted, in_time_only=too_long):
                return False
        return True

    def _longest(self, admitted: Sequence[RunningRow] = ()) -> int:
        return max((running.columns() for running in (*self._running, *admitted)), default=0)

    @property
    def _rows_each(self) -> int | None:
        """Rows that a client may have at once: on a CPU each makes the step longer for all clients."""
        return -(-self.max_rows // self._queue.present) if self._cpu else None

    def _make_room(self, client: str, admitted: Sequence[RunningRow], in_time_only: bool = False) -> bool:
        """Pause a row of a client that has more than `client`; False if there is none."""
        if admitted:
            return False
        share, rows_of = self.row_tokens / self._queue.clients, by_client(self._running)
        other = self._queue.who_makes_room(
            client,
            in_time_only=in_time_only,
            greedy=[
                one
                for one, rows in rows_of.items()
                if sum(row.columns() + ROOM_TO_GROW for row in rows) > share
            ],
            fresh=[one for one, rows in rows_of.items() if rows[-1].progress < WORTH_PAUSING],
        )
        if other is None:
            return False
        self._pause(other)
        return True

    def _make_rows_fit(self) -> None:
        """Pause rows that are too many of one client, or have no room any more, of whom was served most."""
        while (client := self._queue.has_more(self._rows_each)) is not None:
            self._pause(client)
        while len(self._running) > 1 and len(self._running) * self._longest() > self.row_tokens:
            self._pause(self._queue.who_gives_way())

    def _pause(self, client: str) -> None:
        """Let the newest running row of a client wait; what stands of it is computed again later."""
        number = max(at for at, running in enumerate(self._running) if running.client == client)
        handle = self._running[number].handle
        self._drop(number)
        self._queue.put_first(client, handle)
        self._paused += 1

    def _identity(self, request: Request) -> Identity:
        scope = request.scope if request.adapter is None else ""
        return Identity(self.base.pin.fingerprint, str(self.base.compute_dtype), request.adapter, scope)

    def _compute_prompts(self, admitted: Sequence[RunningRow]) -> None:
        first = len(self._running)
        self._running += admitted
        self._reused += sum(running.reused for running in admitted)
        self._compute_pieces(first, admitted)

    def _compute_a_piece(self) -> None:
        """Go on with a prompt that is too long for one step, of the client that was served least."""
        unready = [number for number, running in enumerate(self._running) if not running.ready]
        if unready:
            number = min(unready, key=lambda number: self._queue.served(self._running[number].client))
            self._compute_pieces(number, [self._running[number]])

    def _compute_pieces(self, first: int, rows: Sequence[RunningRow]) -> None:
        """Compute tokens that stand already, of rows `first` and on; where these are all, choose the next."""
        chunks = [
            running.next_piece(self._queue.prompt_tokens(running.client, PROMPT_TOKENS)) for running in rows
        ]
        self._computed += sum(len(chunk.tokens) for chunk in chunks)
        self._advance(first, self._logits(first, chunks))
        for number, running in enumerate(rows, start=first):
            if running.ready:  # cached after its first token went out: nobody waits for that
                request = running.handle.request
                self._cache.keep(number, self._identity(request), request.cache_key())
        self._remove_finished(first)

    def _logits(self, first: int, chunks: Sequence[InputChunk]) -> Tensor:
        """(rows, vocabulary) logits that follow each chunk, for rows `first` and on; any if it is empty."""
        rows = self._running[first : first + len(chunks)]
        width = len(rows) if self._cache.together else 1
        return torch.cat(
            [
                self._forward(first + at, rows[at : at + width], chunks[at : at + width])
                for at in range(0, len(rows), width)
            ]
        )

    def _advance(self, first: int, logits: Tensor) -> None:
        """Choose the next token of rows `first` and on that are ready, and call their listeners."""
        for running, scores in zip(self._running[first:], logits.cpu(), strict=False):
            if not running.ready:
                continue
            with KeptFault() as fault:
                running.row.choose(scores)
                self._tokens += 1
                running.handle.listen(running.row.take_progress())
            if fault.error:
                running.handle.fail(fault.error)

    def _remove_finished(self, first: int) -> None:
        """Take rows `first` and on that have ended out of the batch."""
        for number in reversed(range(first, len(self._running))):
            if self._running[number].row.written:
                self._finished += 1
                self._drop(number)

    def _forward(self, first: int, rows: Sequence[RunningRow], chunks: Sequence[InputChunk]) -> Tensor:
        self._batch_groups.groups = self._grouped(rows)
        try:
            return self._cache.compute(first, chunks)
        finally:
            self._batch_groups.groups = None

    def _grouped(self, rows: Sequence[RunningRow]) -> Groups | None:
        """Rows by slot; the same object as long as nothing changes, so that layers keep their stacks."""
        ranks = self._slots.ranks
        grouped = tuple((running.slot, ranks.get(running.slot, 0)) for running in rows)
        if grouped != self._grouped_slots:
            self._grouped_slots = grouped
            self._groups = Groups.of([running.slot for running in rows], ranks, self.base.device)
        return self._groups

    def _end_cancelled(self) -> None:
        for number in reversed(range(len(self._running))):
            running = self._running[number]
            if running.handle.cancelled:
                running.handle.end_cancelled(self.base)
                self._drop(number)
        for handle in [handle for handle in self._queue if handle.cancelled]:
            self._queue.remove(handle.request.client, handle)
            handle.end_cancelled(self.base)

    def _drop(self, number: int) -> None:
        """End a row; the last row takes its number."""
        self._queue.end(self._running[number].client)
        self._slots.let_go(self._running[number].handle.request.adapter)
        self._cache.drop(number)
        last = self._running.pop()
        if number < len(self._running):
            self._running[number] = last
