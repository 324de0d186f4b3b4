"""From briefs to Copy: prompts rendered, rows seeded, texts decoded, provenance kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.channels.structure import AD, ad_tokens
from lora_marketing.copy.record import Copy, prompt_sha256
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.request import Request, RowOutput
from lora_marketing.engine.sampling import Sampling, row_seed
from lora_marketing.engine.writer import Writer
from lora_marketing.tasks import messages
from lora_marketing.text.known_texts import KnownTexts
from lora_marketing.tokens.render import render_prompt
from lora_marketing.writing.rules import rules_of


@dataclass(frozen=True)
class Voice:
    """Who writes: a brand and line, and the loaded adapter (None: the base with the brand's prompt).

    Args:
        known: what the adapter was trained on; None where nobody knows.
        others: names of the house's other brands, which its texts may not give away.
    """

    brand: Brand
    line: str
    adapter: str | None = None
    digest: str | None = None
    known: KnownTexts | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class CopyOrder:
    """One text to write: which voice, which brief, which of several variants.

    `again` tells the draws of one variant apart; a first draw has none.
    """

    voice: Voice
    brief: Brief
    variant: int = 0
    again: str = ""


@dataclass(frozen=True)
class Prepared:
    """An order as the engine takes it."""

    order: CopyOrder
    request: Request
    prompt_sha256: str

    def copy(self, row: RowOutput, base: LoadedBase) -> Copy:
        """What was written for it, with its provenance."""
        order = self.order
        return Copy(
            text=row.text.strip(),
            brand=order.voice.brand.name,
            line=order.voice.line,
            adapter=order.voice.adapter,
            digest=order.voice.digest,
            base=base.pin.fingerprint,
            seed=self.request.sampling.seed,
            variant=order.variant,
            prompt_sha256=self.prompt_sha256,
            stopped=row.stopped,
            tokens=len(row.tokens),
            brief=order.brief,
        )


def prepare_all(
    orders: Sequence[CopyOrder], base: LoadedBase, sampling: Sampling, *, raw: bool = False
) -> list[Prepared]:
    """The rows that orders ask for. A whole ad gets the tokens that it may need.

    Seeds come from `sampling.seed`, the adapter's name, the prompt and the variant. So a text does not
    change when other orders join, an adapter that is trained again writes the same, and two versions of
    one adapter are compared under the same draws.

    Raises:
        UnknownName: a brief's channel or field is not on the shelf.
    """
    return [_prepared(order, base, sampling, raw) for order in orders]


def _prepared(order: CopyOrder, base: LoadedBase, sampling: Sampling, raw: bool) -> Prepared:
    brand, brief = order.voice.brand, order.brief
    prompt = render_prompt(messages(brief, brand), base)
    prompt_hash = prompt_sha256(prompt)
    label = f"{order.variant}{order.again}"
    seed = row_seed(sampling.seed, order.voice.adapter or "base", prompt_hash, label)
    most = sampling.max_new_tokens
    if brief.field == AD:
        most = max(most, ad_tokens(brief.channel, brand.language))
    rules = () if raw else rules_of(brief, brand, base)
    row = replace(sampling, seed=seed, max_new_tokens=most)
    return Prepared(order, Request(prompt, order.voice.digest, row, rules), prompt_hash)


def write_copy(
    writer: Writer, orders: Sequence[CopyOrder], sampling: Sampling, *, raw: bool = False
) -> list[Copy]:
    """Write all orders in mixed batches.

    Texts keep to the brand's terms and the channel's limit or structure; `raw` ones are what the model
    says by itself, which is what an evaluation asks for.
    """
    prepared = prepare_all(orders, writer.base, sampling, raw=raw)
    written = writer.write([one.request for one in prepared])
    return [one.copy(row, writer.base) for one, row in zip(prepared, written, strict=True)]
