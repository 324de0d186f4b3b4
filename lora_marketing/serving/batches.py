"""From the settings of a request to the rows that the engine writes, and whether they fit the context."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lora_marketing.serving.errors import invalid
from lora_marketing.serving.models import ServedModel
from lora_marketing.serving.schema import CompletionSettings

if TYPE_CHECKING:
    from lora_marketing.engine.constraints import Constraint
    from lora_marketing.engine.request import Request
    from lora_marketing.engine.sampling import Sampling
    from lora_marketing.writing.copywriter import Prompt


@dataclass(frozen=True)
class SamplingOverrides:
    """How a request wants its texts to be written; None leaves it to the adapter's recipe.

    `tokens_param` is what the client calls `max_tokens`, for errors.
    """

    variants: int
    seed: int | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: tuple[str, ...] = ()
    tokens_param: str = "max_tokens"

    @classmethod
    def of(cls, body: CompletionSettings) -> SamplingOverrides:
        """What the body of an OpenAI request says."""
        return cls(body.n or 1, body.seed, body.temperature, body.top_p, body.tokens_limit, body.stop_strings)


@dataclass(frozen=True)
class Batch:
    """The rows of one HTTP request: for each prompt its variants, one after the other.

    `seed` is the request's own. Every row has one that `Prompt.row_seed` derives from it, so variants
    differ and a text does not depend on what else is written.
    """

    model: ServedModel
    seed: int
    prompts: Sequence[Prompt]
    requests: Sequence[Request]

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, each counted once."""
        return sum(len(prompt.tokens) for prompt in self.prompts)

    @property
    def fingerprint(self) -> str:
        """Base and adapter, shortened: equal if and only if the same request gives the same text."""
        return f"fp_{self.model.version.manifest.base.fingerprint[:10]}_{self.model.version.digest[:10]}"


def batch_of(
    model: ServedModel,
    prompts: Sequence[Prompt],
    overrides: SamplingOverrides,
    context: int,
    constraints: tuple[Constraint, ...] = (),
) -> Batch:
    """Rows for every prompt and variant.

    Args:
        model: who writes.
        prompts: what to go on from.
        overrides: how.
        context: the most tokens that a prompt and its text may have together.
        constraints: what every text must keep to.

    Raises:
        ApiError: 400 if a prompt is empty, or does not fit with what is to be written.
    """
    from lora_marketing.engine.request import Request

    adapter, seed, requests = str(model.version.name), request_seed(overrides), []
    for prompt in prompts:
        sampling = sampling_of(model, prompt, overrides, context, seed)
        for variant in range(overrides.variants):
            own = replace(sampling, seed=prompt.row_seed(seed, adapter, str(variant)))
            requests.append(Request(prompt.tokens, model.key, own, constraints))
    return Batch(model, seed, prompts, requests)


def request_seed(overrides: SamplingOverrides) -> int:
    """The seed that a request brings, or a new one."""
    return secrets.randbits(63) if overrides.seed is None else overrides.seed


def sampling_of(
    model: ServedModel, prompt: Prompt, overrides: SamplingOverrides, context: int, seed: int
) -> Sampling:
    """How texts are written after `prompt`: the adapter's own settings with what a request changes.

    Without `max_tokens` a text takes what its recipe gives it, or what is left of the context.

    Raises:
        ApiError: 400 if the prompt is empty, or does not fit with what is to be written.
    """
    from lora_marketing.engine.sampling import Sampling

    defaults = model.defaults
    return Sampling(
        seed=seed,
        temperature=defaults.temperature if overrides.temperature is None else overrides.temperature,
        top_p=defaults.top_p if overrides.top_p is None else overrides.top_p,
        max_new_tokens=_max_new_tokens(len(prompt.tokens), overrides, defaults.max_new_tokens, context),
        stop=overrides.stop,
    )


def _max_new_tokens(prompt: int, overrides: SamplingOverrides, default: int, context: int) -> int:
    """How many tokens may be written after a prompt of so many."""
    if prompt == 0:
        raise invalid("The prompt has no tokens.", "prompt", "empty_prompt")
    left, most = context - prompt, overrides.max_tokens
    if left < (most or 1):
        to_write = f" and {most} tokens to write" if most else ""
        raise invalid(
            f"The prompt has {prompt} tokens{to_write}; prompt and text may have {context} together.",
            overrides.tokens_param if left > 0 else None,
            "context_length_exceeded",
        )
    return most or min(default, left)
