"""From briefs to Copy: prompts rendered, rows seeded, texts decoded, provenance kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lora_marketing.bases.render import render_prompt
from lora_marketing.brand import Brand, Brief
from lora_marketing.copies import Copy, prompt_sha256
from lora_marketing.tasks import messages
from lora_marketing.writing.request import Request
from lora_marketing.writing.rules import rules_of
from lora_marketing.writing.sampling import Sampling, row_seed
from lora_marketing.writing.writer import Writer


@dataclass(frozen=True)
class Voice:
    """Who writes: a brand and line, and the loaded adapter (None: the base with the brand's prompt)."""

    brand: Brand
    line: str
    adapter: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Order:
    """One text to write: which voice, which brief, which of several variants."""

    voice: Voice
    brief: Brief
    variant: int = 0


def write_copy(
    writer: Writer, orders: Sequence[Order], sampling: Sampling, *, raw: bool = False
) -> list[Copy]:
    """Write all orders in mixed batches.

    A row's seed comes from `sampling.seed`, the adapter, the prompt and the variant, so a text
    does not change when other orders join. Texts keep to the brand's terms and the channel's limit;
    `raw` ones are what the model says by itself, which is what an evaluation asks for.
    """
    base = writer.base
    requests = []
    for order in orders:
        prompt = render_prompt(messages(order.brief, order.voice.brand), base)
        prompt_hash = prompt_sha256(prompt)
        seed = row_seed(sampling.seed, order.voice.digest or "base", prompt_hash, str(order.variant))
        rules = () if raw else rules_of(order.brief, order.voice.brand)
        request = Request(prompt, order.voice.digest, replace(sampling, seed=seed), rules)
        requests.append((request, prompt_hash))
    written = writer.write([request for request, _ in requests])
    return [
        Copy(
            text=row.text.strip(),
            brand=order.voice.brand.name,
            line=order.voice.line,
            adapter=order.voice.adapter,
            digest=order.voice.digest,
            base=base.pin.fingerprint,
            seed=request.sampling.seed,
            variant=order.variant,
            prompt_sha256=prompt_hash,
            stopped=row.stopped,
            tokens=len(row.tokens),
            brief=order.brief,
        )
        for order, (request, prompt_hash), row in zip(orders, requests, written, strict=True)
    ]
