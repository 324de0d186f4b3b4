"""Rows that are written together: prefixes computed once, then one token per row and forward."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from torch import Tensor
from transformers import DynamicCache

from lora_marketing.bases.load import LoadedBase, sliding_window_of
from lora_marketing.writing.sampling import RowSampler, Sampling
from lora_marketing.writing.stack import Rows

PROBE = 32
"""Rows whose first tokens agree this far share a prefix."""


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


class Batch:
    """Rows that are written together; a row leaves when it stops."""

    def __init__(self, base: LoadedBase, requests: Sequence[Request], slots: Sequence[int]) -> None:
        self.base = base
        self.requests = requests
        self.texts: list[list[int]] = [[] for _ in requests]
        self.stopped = [False] * len(requests)
        self.samplers = [RowSampler(request.sampling) for request in requests]
        self.rows = [i for i, request in enumerate(requests) if request.sampling.max_new_tokens > 0]
        self.cache = DynamicCache(config=base.model.config)
        self.slots = torch.tensor([slots[i] for i in self.rows], device=base.device)
        # between a prefix and its rests lies padding, which a sliding window would count as tokens
        alone = sliding_window_of(base.model.config) is not None
        self.plan = plan_prefill([(slots[i], requests[i].prompt) for i in self.rows], alone)
        self.ids, self.mask = _left_padded(self.plan.rests, base)

    def prefill(self, rows: Rows) -> None:
        """Compute every distinct prefix once and hand its keys and values to the rows that share it."""
        if not self.plan.prefixes:
            return
        ids, mask = _left_padded(self.plan.prefixes, self.base)
        rows.slots = torch.tensor(self.plan.slots, device=self.base.device)
        self._forward(ids, mask)
        owners = torch.tensor(self.plan.owners, device=self.base.device)
        self.cache.batch_select_indices(owners)
        self.mask = torch.cat([mask[owners], self.mask], dim=1)

    def _forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(rows, vocabulary) logits after the last token."""
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        logits: Tensor = self.base.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            logits_to_keep=1,
            use_cache=True,
        ).logits
        return logits[:, -1]

    def advance(self) -> None:
        """Compute one forward, choose every row's next token, drop the rows that are done."""
        logits = self._forward(self.ids, self.mask)
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
        """All rows in the order they were given, also those that left early."""
        return [Written(tuple(text), done) for text, done in zip(self.texts, self.stopped, strict=True)]


@dataclass(frozen=True)
class PrefillPlan:
    """Prompts split into distinct prefixes and what each row adds.

    `prefixes` and `slots` have one entry per distinct prefix, `rests` and `owners` one per row:
    row i is `prefixes[owners[i]] + rests[i]`, and every rest has at least one token.
    """

    prefixes: Sequence[Sequence[int]]
    slots: Sequence[int]
    rests: Sequence[Sequence[int]]
    owners: Sequence[int]


def plan_prefill(rows: Sequence[tuple[int, Sequence[int]]], alone: bool = False) -> PrefillPlan:
    """Group (slot, prompt) rows that use the same slot and begin alike, and find what they share.

    With `alone`, nothing is shared.
    """
    groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
    for index, (slot, prompt) in enumerate(rows):
        groups.setdefault((slot, tuple(prompt[:PROBE])), []).append(index)
    if alone or any(len(prompt) < 2 for _, prompt in rows):  # a prefix without tokens would attend to nothing
        return PrefillPlan([], [], [prompt for _, prompt in rows], range(len(rows)))
    prefixes: list[Sequence[int]] = []
    owners = [0] * len(rows)
    for members in groups.values():
        prompts = [rows[index][1] for index in members]
        shared = _common_prefix([list(prompt[:-1]) for prompt in prompts])
        for index in members:
            owners[index] = len(prefixes)
        prefixes.append(shared)
    rests = [prompt[len(prefixes[owner]) :] for (_, prompt), owner in zip(rows, owners, strict=True)]
    return PrefillPlan(prefixes, [slot for slot, _ in groups], rests, owners)


def _common_prefix(prompts: Sequence[list[int]]) -> list[int]:
    """What all prompts begin with: what the first and the last in sorted order agree on."""
    first, last = min(prompts), max(prompts)
    agree = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return [token for token, _ in agree]


def _left_padded(prompts: Sequence[Sequence[int]], base: LoadedBase) -> tuple[Tensor, Tensor]:
    width = max((len(prompt) for prompt in prompts), default=0)
    pad = base.tokenizer.pad_token_id
    ids = [[pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=base.device), torch.tensor(mask, device=base.device)
