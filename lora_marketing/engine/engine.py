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
from lora_marketing.engine.adapter_weights import require_same_base, stack_dtype
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
"""A row that shares so many prompt tokens with one being admitted waits until they are computed."""
PROMPT_TOKENS = 2048
"""The most new tokens of all prompts computed in one forward; a single prompt may have more."""


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
        self._wake = wake

    def cancel(self) -> None:
        """End the row before the next forward. Any thread may call this."""
        self.cancelled = True
        self._wake.set()

    def end(self, finish: Finish, error: LoraMarketingError | None = None) -> None:
        """Call the listener a last time: the row ended before its first token."""
        self.listen(Progress("", 0, RowOutput((), "", finish), error))


@dataclass(frozen=True)
class _Running:
    """One row of the batch: its handle, its text, its adapter's slot, and how many tokens of its prompt
    came from the prefix cache."""

    handle: RowHandle
    row: Row
    slot: int
    reused: int

    def next_chunk(self) -> InputChunk:
        token, position = self.row.next_input()
        return InputChunk([token], position)

    def columns(self) -> int:
        return _columns(self.handle.request)


class Engine:
    """Writes rows of any adapters over one base, continuously.

    Args:
        base: a loaded base. It is not changed: the engine works on modules of its own over its tensors.
        max_rows: rows that are computed together; others wait their turn.
        row_tokens: how much rows times the tokens of the longest may be; a row alone may be longer.
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
        self._waiting: deque[RowHandle] = deque()
        self._running: list[_Running] = []
        self._wake = Event()
        self._grouped_slots: tuple[tuple[int, int], ...] = ()
        self._groups: Groups | None = None
        self._steps = self._tokens = self._computed = self._reused = self._finished = 0

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
        self._waiting.append(handle)
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
        busy = bool(self._waiting or self._running)
        self._end_cancelled()
        others = bool(self._running)
        while admitted := self._admit():
            self._compute_prompts(admitted)
            if others:  # which wait for one batch of prompts at most
                break
        if self._running:
            self._steps += 1
            self._advance(0, self._logits(0, [running.next_chunk() for running in self._running]))
            self._remove_finished(0)
        return busy

    @torch.inference_mode()
    def abandon(self) -> None:
        """Drop all rows without calling their listeners; adapters and computed prefixes stay."""
        while self._running:
            self._drop(len(self._running) - 1)
        self._waiting.clear()

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
            rows_waiting=len(self._waiting),
            max_rows=self.max_rows,
            adapters_resident=len(self._slots.resident),
            prefix_bytes=self._cache.prefixes.bytes,
            prefix_limit_bytes=self._cache.prefixes.limit,
            kv_bytes=self._cache.bytes,
        )

    def _admit(self) -> list[_Running]:
        """Take rows from the queue whose prompts are computed next: first come, first served, but for a
        row that waits until the prefix which it shares with another is computed."""
        admitted: list[_Running] = []
        sharing: list[RowHandle] = []
        while self._waiting and len(self._running) + len(admitted) + len(sharing) < self.max_rows:
            handle = self._waiting.popleft()
            if self._will_share(handle.request, admitted):
                sharing.append(handle)
            elif not self._try_to_admit(handle, admitted):
                self._waiting.appendleft(handle)
                break
        self._waiting.extendleft(reversed(sharing))
        return admitted

    def _will_share(self, request: Request, admitted: Sequence[_Running]) -> bool:
        prefixes, identity = self._cache.prefixes, self._identity(request)
        same_identity = [
            running.handle.request
            for running in admitted
            if self._identity(running.handle.request) == identity
        ]
        if not same_identity or not prefixes.limit:
            return False
        key = request.cache_key
        shared = max(agreeing(key, other.cache_key) for other in same_identity)
        return shared >= prefixes.known(identity, key) + WORTH_WAITING

    def _try_to_admit(self, handle: RowHandle, admitted: list[_Running]) -> bool:
        """Admit a row, or tell its listener why it has ended already. Returns False if it has to wait."""
        request = handle.request
        if handle.cancelled:
            handle.end("cancelled")
            return True
        if not self._has_room(request, admitted):
            return False
        row = Row(request, self.base)
        if row.written:
            handle.end(row.written.finish)
            return True
        try:
            slot = self._slots.hold(request.adapter)
        except AdapterRefused as error:
            handle.end("failed", error)
            return True
        if slot is None:
            return False
        reused = self._cache.join(_columns(request), self._identity(request), request.cache_key)
        admitted.append(_Running(handle, row, slot, reused))
        return True

    def _has_room(self, request: Request, admitted: Sequence[_Running]) -> bool:
        others = [*self._running, *admitted]
        longest = max((running.columns() for running in others), default=0)
        if others and (len(others) + 1) * max(longest, _columns(request)) > self.row_tokens:
            return False
        new = sum(len(running.handle.request.prompt) - running.reused for running in admitted)
        return not admitted or new + len(request.prompt) <= PROMPT_TOKENS

    def _identity(self, request: Request) -> Identity:
        scope = request.scope if request.adapter is None else ""
        return Identity(self.base.pin.fingerprint, str(self.base.compute_dtype), request.adapter, scope)

    def _compute_prompts(self, admitted: Sequence[_Running]) -> None:
        first = len(self._running)
        self._running += admitted
        chunks = [
            InputChunk(running.handle.request.prompt[running.reused :], running.reused)
            for running in admitted
        ]
        self._advance(first, self._logits(first, chunks))
        for number, (running, chunk) in enumerate(zip(admitted, chunks, strict=True), start=first):
            request = running.handle.request  # cached after its first token went out: nobody waits for that
            self._cache.keep(number, self._identity(request), request.cache_key)
            self._computed += len(chunk.tokens)
            self._reused += running.reused
        self._remove_finished(first)

    def _logits(self, first: int, chunks: Sequence[InputChunk]) -> Tensor:
        """(rows, vocabulary) logits that follow each chunk, for rows `first` and on."""
        rows = self._running[first:]
        width = len(rows) if self._cache.together else 1
        return torch.cat(
            [
                self._forward(first + at, rows[at : at + width], chunks[at : at + width])
                for at in range(0, len(rows), width)
            ]
        )

    def _advance(self, first: int, logits: Tensor) -> None:
        """Choose the next token of rows `first` and on, and call their listeners."""
        for running, scores in zip(self._running[first:], logits.cpu(), strict=True):
            running.row.choose(scores)
            self._tokens += 1
            running.handle.listen(running.row.take_progress())

    def _remove_finished(self, first: int) -> None:
        """Take rows `first` and on that have ended out of the batch."""
        for number in reversed(range(first, len(self._running))):
            if self._running[number].row.written:
                self._finished += 1
                self._drop(number)

    def _forward(self, first: int, rows: Sequence[_Running], chunks: Sequence[InputChunk]) -> Tensor:
        self._batch_groups.groups = self._grouped(rows)
        try:
            return self._cache.compute(first, chunks)
        finally:
            self._batch_groups.groups = None

    def _grouped(self, rows: Sequence[_Running]) -> Groups | None:
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
                tokens = tuple(running.row.tokens)
                written = RowOutput(tokens, self.base.decode(tokens), "cancelled")
                running.handle.listen(Progress("", len(tokens), written))
                self._drop(number)

    def _drop(self, number: int) -> None:
        """End a row; the last row takes its number."""
        self._slots.let_go(self._running[number].handle.request.adapter)
        self._cache.drop(number)
        last = self._running.pop()
        if number < len(self._running):
            self._running[number] = last


def _columns(request: Request) -> int:
    """The most tokens that a row can come to."""
    return len(request.prompt) + request.sampling.max_new_tokens
