"""From what a client asked to the rows that the engine writes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lora_marketing.copy.record import prompt_sha256
from lora_marketing.serving.errors import invalid
from lora_marketing.serving.models import ServedModel
from lora_marketing.serving.schema import CompletionSettings

if TYPE_CHECKING:
    from lora_marketing.engine.constraints import Constraint
    from lora_marketing.engine.request import Request


@dataclass(frozen=True)
class SamplingOverrides:
    """How the texts are to be written; None leaves it to the adapter's recipe."""

    variants: int
    seed: int | None
    temperature: float | None
    top_p: float | None
    most_tokens: int | None
    stops: tuple[str, ...] = ()
    tokens_param: str = "max_tokens"

    @classmethod
    def of(cls, asked: CompletionSettings) -> SamplingOverrides:
        """What an OpenAI request wishes."""
        return cls(asked.n or 1, asked.seed, asked.temperature, asked.top_p, asked.most_tokens, asked.stops)


@dataclass(frozen=True)
class Batch:
    """Rows to write: for each prompt its variants, one after the other.

    `seed` is the request's own; every row has one derived from it, so variants differ and a text
    does not depend on what else is written.
    """

    model: ServedModel
    seed: int
    variants: int
    prompts: Sequence[Sequence[int]]
    requests: Sequence[Request]

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, each counted once."""
        return sum(map(len, self.prompts))

    @property
    def fingerprint(self) -> str:
        """Base and adapter, shortened: equal if and only if the same request gives the same text."""
        return f"fp_{self.model.version.manifest.base.fingerprint[:10]}_{self.model.version.digest[:10]}"


def order(
    model: ServedModel,
    prompts: Sequence[Sequence[int]],
    wish: SamplingOverrides,
    context: int,
    constraints: tuple[Constraint, ...] = (),
) -> Batch:
    """Rows for every prompt and variant.

    Raises:
        ApiError: 400 if a prompt is empty, or does not fit with what is to be written.
    """
    from lora_marketing.engine.request import Request
    from lora_marketing.engine.sampling import Sampling, row_seed

    seed = secrets.randbits(63) if wish.seed is None else wish.seed
    name, defaults, requests = str(model.version.name), model.defaults, []
    for prompt in prompts:
        most = _room(len(prompt), wish, defaults.max_new_tokens, context)
        for variant in range(wish.variants):
            sampling = Sampling(
                seed=row_seed(seed, name, prompt_sha256(prompt), str(variant)),
                temperature=defaults.temperature if wish.temperature is None else wish.temperature,
                top_p=defaults.top_p if wish.top_p is None else wish.top_p,
                max_new_tokens=most,
                stop=wish.stops,
            )
            requests.append(Request(prompt, model.key, sampling, constraints))
    return Batch(model, seed, wish.variants, prompts, requests)


def _room(prompt: int, wish: SamplingOverrides, default: int, context: int) -> int:
    """How many tokens may be written after a prompt of so many."""
    if prompt == 0:
        raise invalid("The prompt has no tokens.", "prompt", "empty_prompt")
    left = context - prompt
    if left < (wish.most_tokens or 1):
        asked = f" and {wish.most_tokens} tokens to write" if wish.most_tokens else ""
        raise invalid(
            f"The prompt has {prompt} tokens{asked}; prompt and text may have {context} together.",
            wish.tokens_param if left > 0 else None,
            "context_length_exceeded",
        )
    return wish.most_tokens or min(default, left)
