"""From the settings of a request to the rows that the engine writes, and whether they fit the context."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lora_marketing.serving.errors import invalid
from lora_marketing.serving.prompts import require_known_tokens, too_long
from lora_marketing.serving.schema import CompletionSettings
from lora_marketing.serving.served_models import ServedModel

if TYPE_CHECKING:
    from lora_marketing.engine.constraints import Constraint
    from lora_marketing.engine.request import Request
    from lora_marketing.engine.sampling import Sampling
    from lora_marketing.serving.worker import WritingEngine
    from lora_marketing.writing.copywriter import Prompt


@dataclass(frozen=True)
class SamplingOverrides:
    """How a request wants its texts to be written; None leaves it to the adapter's recipe.

    `prompt_param` and `tokens_param` are what the client calls its prompt and `max_tokens`, for errors.
    """

    variants: int
    seed: int | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: tuple[str, ...] = ()
    prompt_param: str = "prompt"
    tokens_param: str = "max_tokens"

    @classmethod
    def of(cls, body: CompletionSettings) -> SamplingOverrides:
        """What the body of an OpenAI request says."""
        return cls(
            variants=body.n or 1,
            seed=body.seed,
            temperature=body.temperature,
            top_p=body.top_p,
            max_tokens=body.tokens_limit,
            stop=body.stop_strings,
            prompt_param=body.prompt_param,
            tokens_param=body.tokens_param,
        )


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
    engine: WritingEngine,
    constraints: tuple[Constraint, ...] = (),
) -> Batch:
    """Rows for every prompt and variant.

    Args:
        model: who writes.
        prompts: what to go on from.
        overrides: how.
        engine: what writes the rows; its base and context say what fits.
        constraints: what every text must keep to.

    Raises:
        ApiError: 400 if a prompt is empty, or does not fit with what is to be written.
    """
    from lora_marketing.engine.request import Request

    adapter, seed, requests = str(model.version.name), request_seed(overrides), []
    for prompt in prompts:
        sampling = sampling_of(model, prompt, overrides, engine, seed)
        for variant in range(overrides.variants):
            own = replace(sampling, seed=prompt.row_seed(seed, adapter, str(variant)))
            requests.append(Request(prompt.tokens, model.key, own, constraints))
    return Batch(model, seed, prompts, requests)


def request_seed(overrides: SamplingOverrides) -> int:
    """The seed that a request brings, or a new one, which every JSON reader can hold exactly."""
    return secrets.randbits(53) if overrides.seed is None else overrides.seed


def sampling_of(
    model: ServedModel, prompt: Prompt, overrides: SamplingOverrides, engine: WritingEngine, seed: int
) -> Sampling:
    """How texts are written after `prompt`: the adapter's own settings with what a request changes.

    Without `max_tokens` a text takes what its recipe gives it, or what is left of the context.

    Raises:
        ApiError: 400 if the prompt is empty, has tokens that the base cannot read, or does not fit with
            what is to be written.
    """
    from lora_marketing.engine.sampling import Sampling

    require_known_tokens(prompt.tokens, engine, overrides.prompt_param)
    defaults = model.defaults
    most = _max_new_tokens(len(prompt.tokens), overrides, defaults.max_new_tokens, engine.context)
    return Sampling(
        seed=seed,
        temperature=defaults.temperature if overrides.temperature is None else overrides.temperature,
        top_p=defaults.top_p if overrides.top_p is None else overrides.top_p,
        max_new_tokens=most,
        stop=overrides.stop,
    )


def _max_new_tokens(prompt: int, overrides: SamplingOverrides, default: int, context: int) -> int:
    """How many tokens may be written after a prompt of so many."""
    if prompt == 0:
        raise invalid("The prompt has no tokens.", overrides.prompt_param, "empty_prompt")
    left, most = context - prompt, overrides.max_tokens
    if left < (most or 1):
        raise too_long(str(prompt), most, context, overrides.tokens_param if left > 0 else None)
    return most or min(default, left)
