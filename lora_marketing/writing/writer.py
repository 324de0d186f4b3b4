"""The Writer: one base, many adapters, mixed batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import DynamicCache

from lora_marketing.bases.load import LoadedBase
from lora_marketing.errors import AdapterRefused, Problem
from lora_marketing.registry.version import Version
from lora_marketing.writing.adapters import LayerLora, read_adapter
from lora_marketing.writing.sampling import RowSampler, Sampling
from lora_marketing.writing.stack import Rows, StackedLora, install, remove


@dataclass(frozen=True)
class Request:
    """One row to write: prompt tokens, the loaded adapter's key (None is the base), sampling."""

    prompt: Sequence[int]
    adapter: str | None
    sampling: Sampling


@dataclass(frozen=True)
class Written:
    """One finished row: its tokens without the stop token, and whether it stopped by itself."""

    tokens: tuple[int, ...]
    stopped: bool


class Writer:
    """Writes with many adapters over one base. The adapter travels with the request.

    Args:
        base: a loaded base; the Writer puts its stacks into the model until `close`.
        max_rows: rows in one batch; more requests are written in turns.
    """

    def __init__(self, base: LoadedBase, max_rows: int = 32) -> None:
        self.base = base
        self.max_rows = max_rows
        self._rows = Rows()
        self._stacks: dict[str, StackedLora] = {}
        self._adapters: dict[str, dict[str, LayerLora]] = {}
        self._slots: dict[str | None, int] = {None: 0}

    def close(self) -> None:
        """Take the stacks out: the model is the bare base again."""
        remove(self.base.model, self._stacks)
        self._stacks.clear()

    def load(self, version: Version) -> str:
        """Load a published version and return the key that requests name it by (its digest).

        Raises:
            AdapterRefused: the version was trained on another base, or the load gate refuses it.
        """
        wanted, here = version.manifest.base, self.base.pin
        if wanted.fingerprint != here.fingerprint:
            differ = [
                part
                for part in ("weights", "quantization", "tokenizer", "chat_template")
                if getattr(wanted, part) != getattr(here, part)
            ]
            raise AdapterRefused(
                Problem(
                    f"{version.name} was trained on another base",
                    got=f"{wanted.id} {wanted.fingerprint[:12]} instead of {here.id} {here.fingerprint[:12]};"
                    f" they differ in {', '.join(differ)}",
                    fix="load the base that its manifest names, or train the brand on this one with --force",
                )
            )
        self.load_folder(version.digest, version.folder)
        return version.digest

    def load_folder(self, key: str, folder: Path) -> None:
        """Load an adapter folder under `key`, replacing what `key` named before.

        Raises:
            AdapterRefused: the load gate refuses it; nothing that was loaded changes.
        """
        layers = dict(read_adapter(folder, self.base))
        self._adapters[key] = layers
        self._slots = {None: 0, **{name: slot for slot, name in enumerate(self._adapters, start=1)}}
        names = sorted({name for adapter in self._adapters.values() for name in adapter})
        self._stacks |= install(self.base.model, names, self._rows)
        for name, stack in self._stacks.items():
            stack.fill([adapter.get(name) for adapter in self._adapters.values()])

    def write(self, requests: Sequence[Request]) -> list[Written]:
        """Write all requests, in batches of at most `max_rows`, in the order they were given.

        A row's text depends on its prompt, adapter and sampling only: in float32 it is the same
        alone and in any batch; in bfloat16 up to rounding, which can tip a close choice.
        """
        unknown = {request.adapter for request in requests} - set(self._slots)
        if unknown:
            raise AdapterRefused(Problem("adapter is not loaded", got=", ".join(map(str, unknown))))
        by_length = sorted(range(len(requests)), key=lambda index: len(requests[index].prompt))
        results: dict[int, Written] = {}
        for start in range(0, len(by_length), self.max_rows):
            chosen = by_length[start : start + self.max_rows]
            written = self._write_batch([requests[index] for index in chosen])
            results.update(zip(chosen, written, strict=True))
        return [results[index] for index in range(len(requests))]

    @torch.inference_mode()
    def _write_batch(self, requests: Sequence[Request]) -> list[Written]:
        batch = _Batch(self.base, requests, [self._slots[request.adapter] for request in requests])
        try:
            while batch.rows:
                self._rows.slots = batch.slots
                batch.advance()
        finally:
            self._rows.slots = None
        return batch.written()


class _Batch:
    """Rows that are written together; a row leaves when it stops."""

    def __init__(self, base: LoadedBase, requests: Sequence[Request], slots: Sequence[int]) -> None:
        self.base = base
        self.requests = requests
        self.texts: list[list[int]] = [[] for _ in requests]
        self.stopped = [False] * len(requests)
        self.samplers = [RowSampler(request.sampling) for request in requests]
        self.rows = [i for i, request in enumerate(requests) if request.sampling.max_new_tokens > 0]
        self.cache = DynamicCache(config=base.model.config)
        self.ids, self.mask = _left_padded([requests[i].prompt for i in self.rows], base)
        self.slots = torch.tensor([slots[i] for i in self.rows], device=base.device)

    def advance(self) -> None:
        """Compute one forward, choose every row's next token, drop the rows that are done."""
        positions = (self.mask.cumsum(-1) - 1).clamp(min=0)[:, -self.ids.shape[1] :]
        logits = self.base.model(
            input_ids=self.ids,
            attention_mask=self.mask,
            position_ids=positions,
            past_key_values=self.cache,
            logits_to_keep=1,
            use_cache=True,
        ).logits[:, -1]
        chosen = [self.samplers[row].choose(logits[at]) for at, row in enumerate(self.rows)]
        staying = [at for at, row in enumerate(self.rows) if self._keep(row, chosen[at])]
        self._shrink(staying)
        self.ids = self.mask.new_tensor([[chosen[at]] for at in staying]).reshape(-1, 1)
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(staying), 1)], dim=1)

    def _keep(self, row: int, token: int) -> bool:
        """Note a row's token; False if the row ends with it."""
        if token in self.base.stop_ids:
            self.stopped[row] = True
            return False
        self.texts[row].append(token)
        return len(self.texts[row]) < self.requests[row].sampling.max_new_tokens

    def _shrink(self, staying: Iterable[int]) -> None:
        index = list(staying)
        if len(index) == len(self.rows):
            return
        self.rows = [self.rows[at] for at in index]
        chosen = torch.tensor(index, dtype=torch.long, device=self.base.device)
        self.mask, self.slots = self.mask[chosen], self.slots[chosen]
        if index:
            self.cache.batch_select_indices(chosen)

    def written(self) -> list[Written]:
        return [Written(tuple(text), done) for text, done in zip(self.texts, self.stopped, strict=True)]


def _left_padded(prompts: Sequence[Sequence[int]], base: LoadedBase) -> tuple[Tensor, Tensor]:
    width = max((len(prompt) for prompt in prompts), default=0)
    pad = base.tokenizer.pad_token_id
    ids = [[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=base.device), torch.tensor(mask, device=base.device)
