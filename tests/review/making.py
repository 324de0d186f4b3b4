"""Copies to review, and queues that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lora_marketing.brands.brand import Brief
from lora_marketing.copy.record import Copy
from lora_marketing.guards import Finding
from lora_marketing.review import Decision, Item, Queue

BLOCK = Finding(rule="terms.banned", severity="block", message='"miracle" is a banned term', span=(2, 9))


def copy(text: str = "It floats.", brief: dict[str, Any] | None = None, **changes: Any) -> Copy:
    asked = {"product": "Bar", "channel": "meta_feed", "field": "headline"} | (brief or {})
    values: dict[str, Any] = {
        "brand": "tidal",
        "line": "soap",
        "adapter": None,
        "digest": None,
        "base": "tiny",
        "seed": 13,
        "variant": 0,
        "prompt_sha256": "a" * 64,
        "stopped": True,
        "tokens": 4,
    }
    return Copy(text=text, brief=Brief.model_validate(asked), **(values | changes))


def put_up(path: Path, *copies: Copy, findings: tuple[Finding, ...] = ()) -> list[Item]:
    """The texts in a queue, all pending."""
    with Queue(path, create=True) as queue:
        return queue.add([(one, findings) for one in copies], "generate")


def decide(path: Path, item: Item, state: Any, **more: Any) -> Item:
    """What Ann decides about a text, whatever was decided before."""
    if state == "edited":
        more = {"findings": ()} | more
    decision = Decision(state, "Ann", **({"why": "dull"} | more))
    with Queue(path) as queue:
        return queue.decide(queue.find(item.id), decision, again=True)
