"""How likely texts are to a base with an adapter, through the layers that write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lora_marketing.common.errors import Problem, RenderContractError
from lora_marketing.engine.adapter_slots import AdapterSlots
from lora_marketing.engine.adapter_weights import require_same_base, stack_dtype
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.slot_memory import SlotMemory
from lora_marketing.engine.stacked_lora import BatchGroups, Groups, install
from lora_marketing.registry.version import Version
from lora_marketing.tasks import Message
from lora_marketing.tokens.render import Rendered, render_prompt

BATCH_TOKENS = 2048
"""Rows of one forward have so many tokens together, padding included, or it is a single row."""
HOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Likelihood:
    """Sum of ln p over the tokens of a row that are not its prompt, and how many these are."""

    log_p: float
    tokens: int


class Scorer:
    """Scores rows over one base, each with its own adapter; the base itself is not changed.

    Args:
        base: a loaded base.
        adapters: how many adapters will be named.
    """

    def __init__(self, base: LoadedBase, adapters: int) -> None:
        self._base = base
        self._model = base.with_modules_of_its_own().model
        self._seating = BatchGroups()
        stacks = install(self._model, list(base.linear_shapes), self._seating)
        slots = max(1, adapters)
        self._slots = AdapterSlots(base, SlotMemory(stacks, slots + 1, stack_dtype(base)), slots, HOST_BYTES)

    def register(self, version: Version) -> str:
        """Know a published version; returns the key that rows name it by (its digest).

        Raises:
            AdapterRefused: it was trained on another base.
        """
        require_same_base(version, self._base)
        self._slots.register(version.digest, version.folder, version.hashes)
        return version.digest

    @torch.inference_mode()
    def score(self, rows: Sequence[Rendered], adapter: str | None) -> list[Likelihood]:
        """How likely each row's completion is to the base with `adapter` (None: to the base alone).

        Raises:
            AdapterRefused: the adapter is not known, or the load gate refuses it.
        """
        slot = self._slots.hold(adapter)
        assert slot is not None
        try:
            likelihoods: dict[int, Likelihood] = {}
            for batch in _batches(rows):
                seats = [slot] * len(batch)
                self._seating.groups = Groups.of(seats, self._slots.ranks, self._base.device)
                scored = self._forward([rows[at] for at in batch])
                likelihoods.update(zip(batch, scored, strict=True))
            return [likelihoods[at] for at in range(len(rows))]
        finally:
            self._seating.groups = None
            self._slots.let_go(adapter)

    def _forward(self, rows: Sequence[Rendered]) -> list[Likelihood]:
        """One forward of rows padded on the right, which no causal layer sees from the left."""
        width = max(len(row.input_ids) for row in rows)
        first = min(row.prompt_length for row in rows) - 1
        ids = _padded([row.input_ids for row in rows], self._base.tokenizer.pad_token_id, width)
        labels = _padded([row.labels for row in rows], -100, width)[:, first + 1 :].to(self._base.device)
        lengths = torch.tensor([len(row.input_ids) for row in rows])
        logits: Tensor = self._model(
            input_ids=ids.to(self._base.device),
            attention_mask=(torch.arange(width) < lengths[:, None]).long().to(self._base.device),
            logits_to_keep=width - first,
            use_cache=False,
        ).logits[:, :-1]
        log_p = -torch.nn.functional.cross_entropy(
            logits.float().transpose(1, 2), labels, ignore_index=-100, reduction="none"
        )
        counts = (labels != -100).sum(dim=1)
        return [Likelihood(float(p), int(n)) for p, n in zip(log_p.double().sum(dim=1), counts, strict=True)]


def render_answer(question: str, answer: str, base: LoadedBase) -> Rendered:
    """A question and an answer to it as the base's own chat template has them, without the stop token.

    Raises:
        RenderContractError: the template does not let the answer extend the prompt.
    """
    chat: list[Message] = [{"role": "user", "content": question}]
    prompt = render_prompt(chat, base)
    whole = base.encode([*chat, {"role": "assistant", "content": answer}], header=False)
    stop = next((at for at in range(len(prompt), len(whole)) if whole[at] in base.stop_ids), len(whole))
    if whole[: len(prompt)] != prompt or stop == len(prompt):
        fix = "use its instruct version, or set the template's arguments in the catalogue"
        raise RenderContractError(Problem("an answer does not extend its prompt", got=question, fix=fix))
    return Rendered(question, tuple(whole[:stop]), len(prompt))


def _batches(rows: Sequence[Rendered]) -> Iterator[list[int]]:
    """Places of rows that are computed together: those of like length, so that little is padding."""
    batch: list[int] = []
    for at in sorted(range(len(rows)), key=lambda at: len(rows[at].input_ids)):
        if batch and (len(batch) + 1) * len(rows[at].input_ids) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(at)
    if batch:
        yield batch


def _padded(rows: Sequence[Sequence[int]], filler: int, width: int) -> Tensor:
    return torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows])
