"""One text after the other on the screen, with a key for each decision."""

from __future__ import annotations

from dataclasses import replace

import typer

from lora_marketing.cli.review_policy import Policies
from lora_marketing.common.console import note, plain_text, rich_stdout
from lora_marketing.common.errors import LoraMarketingError
from lora_marketing.guards import verdict
from lora_marketing.review import Decision, Item, Queue
from lora_marketing.text.normalise import as_written


def decided_on_screen(queue: Queue, item: Item, place: str, by: str, policies: Policies) -> str:
    """Show a text and ask until it is decided, skipped (`s`) or left (`q`); returns the last key.

    What stands on the screen is what `a` approves: an edit that the guards block stands there until
    another one does, or `o` shows the text as it was put up.
    """
    edit: Decision | None = None
    _present(item, place, edit)
    while (key := str(typer.prompt("a/e/r/s/q")).strip().lower()) not in ("s", "q"):
        if key == "o":
            edit = None
            _present(item, place, edit)
        elif decision := _asked(key, item, edit, by, policies):
            try:
                queue.decide(item, decision)
                break
            except LoraMarketingError as error:
                note("\n".join(map(str, error.problems)))
            if key == "e":
                edit = decision if decision.text != item.written.text else None
                _present(item, place, edit)
    return key


def edited(
    item: Item,
    words: str,
    by: str,
    policies: Policies,
    why: str = "",
    override: str | None = None,
) -> Decision:
    """The decision for other words, with what the guards have against them."""
    findings = tuple(policies.findings(item.written, words))
    return Decision("edited", by, why, words, findings, override)


def _asked(key: str, item: Item, edit: Decision | None, by: str, policies: Policies) -> Decision | None:
    """What somebody at the keyboard decides; None if it was another key.

    `edit` is what stands on the screen instead of the text as it was put up.
    """
    if key == "e":
        return edited(item, as_written(typer.prompt("text")), by, policies)
    if key == "r":
        return Decision("rejected", by, typer.prompt("why"))
    if key != "a":
        note("a approves, e edits, r rejects, s skips, q ends, o shows the text as it was put up")
        return None
    shown = edit or Decision("approved", by)
    if verdict(shown.findings if shown.findings is not None else item.findings) != "block":
        return shown
    reason = typer.prompt("a guard blocks it; why may it be published?", default="", show_default=False)
    return replace(shown, override=reason or None)


def _present(item: Item, place: str, edit: Decision | None = None) -> None:
    """Show what a would approve, and what the guards have against it."""
    console, brief = rich_stdout(), item.written.brief
    text, findings = item.text, item.findings
    if edit:
        text, findings, place = edit.text or "", edit.findings or (), f"{place}, edited"
    asked = "".join(f", {key} {value}" for key, value in brief.attributes.items())
    where = f"{item.written.brand}/{item.written.line} · {brief.channel} {brief.field}"
    console.print()
    console.print(plain_text(text, style="bold"))
    about = f"{place} · {item.id[:16]} · {where} · {brief.product}{asked} {brief.notes}".rstrip()
    console.print(plain_text(about, one_line=True))
    for finding in findings:
        advice = f" ({finding.suggestion})" if finding.suggestion else ""
        told = f"{finding.severity}: {finding.rule}: {finding.message}{advice}"
        console.print(plain_text(told, one_line=True))
