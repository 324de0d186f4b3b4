"""`review ...`: put copy up, decide about it, ship what was approved. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lora_marketing.common.console import note, plain_text, result, rich_stdout
from lora_marketing.common.errors import Problem
from lora_marketing.common.printable import visible_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lora_marketing.review import ReviewState
    from lora_marketing.review.queue import Decision, Queue

app = typer.Typer(help="Approve, edit or reject copy; ship what was approved.", no_args_is_help=True)

QueueFile = Annotated[Path, typer.Option("--queue", help="The review queue.")]
By = Annotated[str, typer.Option("--by", help="Who decides.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, or what they begin with.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="The id, or what it begins with.")]
Again = Annotated[bool, typer.Option("--again", help="Reverse an earlier decision. Both stay in the log.")]
Override = Annotated[str | None, typer.Option(metavar="REASON", help="Take a text that a guard blocks.")]
Recipes = Annotated[list[Path] | None, typer.Option("--recipe", help="Recipes of the brands.")]
Profiles = Annotated[list[Path] | None, typer.Option("--profile", help="Brand profiles.")]
AdaptersFolder = Annotated[Path, typer.Option("--adapters", help="Where adapters tell their brands.")]
States = Annotated[list[str] | None, typer.Option("--state", help="pending, approved, edited, rejected.")]
BrandName = Annotated[str | None, typer.Option("--brand", help="Of one brand only.")]
LineName = Annotated[str | None, typer.Option("--line", help="Of one product line only.")]
QUEUE, ADAPTERS = Path("review.db"), Path("adapters")


@app.command()
def add(
    copies: Annotated[Path, typer.Argument(help="Copy that `generate --out` kept.")],
    by: By = "generate",
    recipe: Recipes = None,
    profile: Profiles = None,
    adapters: AdaptersFolder = ADAPTERS,
    queue: QueueFile = QUEUE,
) -> None:
    """Put copy up for approval, with what the guards have against it. The same text is put up once."""
    from lora_marketing.cli.review_policy import Policies
    from lora_marketing.common.files import check_writable, make_private
    from lora_marketing.copy.mending import is_complete
    from lora_marketing.copy.record import read_copies
    from lora_marketing.review import Queue

    check_writable(queue)
    written = read_copies(copies)
    policies = Policies.of(written, recipe or [], profile or [], adapters)
    whole = [is_complete(copy.text, copy.brief, copy.stopped) for copy in written]
    judged = [
        (copy, policies.findings(copy, copy.text, stopped=complete))
        for copy, complete in zip(written, whole, strict=True)
    ]
    make_private(queue.parent)
    with Queue(queue, create=True) as opened:
        new = opened.add(judged, by)
    for item in new:
        result(f"{item.id[:16]} {item.verdict}")
    note(f"{len(new)} texts put up, {len(written) - len(new)} were there before")


@app.command("list")
def list_(
    state: States = None, brand: BrandName = None, line: LineName = None, queue: QueueFile = QUEUE
) -> None:
    """List texts with their states and verdicts."""
    from rich.table import Table

    from lora_marketing.review import Queue

    table = Table("id", "state", "verdict", "by", "brand", "channel", "text", box=None)
    with Queue(queue) as opened:
        for item in opened.items(_states(state), brand, line):
            written = item.written
            where = f"{written.brief.channel} {written.brief.field}"
            cells = (item.by, f"{written.brand}/{written.line}", where)
            names = [plain_text(cell, one_line=True) for cell in cells]
            table.add_row(item.id[:16], item.state, item.verdict, *names, plain_text(item.text))
    rich_stdout().print(table)


@app.command()
def show(text: Id, queue: QueueFile = QUEUE) -> None:
    """Print one text with its findings, its provenance and everything that was decided about it, as JSON."""
    from lora_marketing.review import Queue

    with Queue(queue) as opened:
        item = opened.find(text)
        entries = [entry for entry in opened.log() if entry.item == item.id]
    log = [entry.model_dump(mode="json", exclude={"written", "item", "previous"}) for entry in entries]
    result(json.dumps({**item.model_dump(mode="json"), "log": log}, indent=2, ensure_ascii=False))


@app.command()
def approve(
    texts: Ids,
    by: By,
    why: Annotated[str, typer.Option("--note", help="Kept in the log.")] = "",
    override: Override = None,
    again: Again = False,
    queue: QueueFile = QUEUE,
) -> None:
    """Approve texts as they were put up."""
    from lora_marketing.review import Decision, Queue

    with Queue(queue) as opened:
        _decide(opened, texts, Decision("approved", by, why, override=override), again)


@app.command()
def reject(
    texts: Ids,
    by: By,
    why: Annotated[str, typer.Option("--why", help="What is wrong with them.")],
    again: Again = False,
    queue: QueueFile = QUEUE,
) -> None:
    """Reject texts."""
    from lora_marketing.review import Decision, Queue

    with Queue(queue) as opened:
        _decide(opened, texts, Decision("rejected", by, why), again)


@app.command()
def edit(
    text: Id,
    by: By,
    new: Annotated[str | None, typer.Option("--text", help="The text to publish instead.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A UTF-8 file that holds it.")] = None,
    why: Annotated[str, typer.Option("--note", help="Kept in the log.")] = "",
    override: Override = None,
    again: Again = False,
    recipe: Recipes = None,
    profile: Profiles = None,
    adapters: AdaptersFolder = ADAPTERS,
    queue: QueueFile = QUEUE,
) -> None:
    """Approve another text instead. It is guarded like the first."""
    from lora_marketing.cli.review_policy import Policies
    from lora_marketing.cli.review_screen import edited
    from lora_marketing.review import Queue

    words = _words(new, file)
    with Queue(queue) as opened:
        item = opened.find(text)
        policies = Policies.of([item.written], recipe or [], profile or [], adapters)
        _decide(opened, [item.id], edited(item, words, by, policies, why, override), again)


@app.command("next")
def next_(
    by: By,
    brand: BrandName = None,
    line: LineName = None,
    recipe: Recipes = None,
    profile: Profiles = None,
    adapters: AdaptersFolder = ADAPTERS,
    queue: QueueFile = QUEUE,
) -> None:
    """Show pending texts one after the other: a approves, e edits, r rejects, s skips, q ends.

    a approves what stands on the screen: after an edit the edited text. o goes back to the text as it was.
    """
    from lora_marketing.cli.review_policy import Policies
    from lora_marketing.cli.review_screen import decided_on_screen
    from lora_marketing.review import Queue

    with Queue(queue) as opened:
        pending = opened.items(("pending",), brand, line)
        policies = Policies.of([item.written for item in pending], recipe or [], profile or [], adapters)
        skipped = 0
        for place, item in enumerate(pending, start=1):
            key = decided_on_screen(opened, item, f"{place} of {len(pending)}", by, policies)
            if key == "q":
                return
            skipped += key == "s"
    left = f"{skipped} skipped, still pending" if skipped else "no pending texts left"
    note(left if pending else "no pending texts")


@app.command()
def log(queue: QueueFile = QUEUE) -> None:
    """Print every decision, oldest first, and the hash of the last one."""
    from lora_marketing.review import Queue

    with Queue(queue) as opened:
        for entry in opened.log():
            why = "".join(f" {text}" for text in (entry.why, entry.override) if text)
            told = f"{entry.number} {entry.time} {entry.by}: {entry.item[:16]} {entry.state}{why}"
            result(visible_line(told))
        note(f"head {opened.head()}")


@app.command()
def verify(
    head: Annotated[
        str | None, typer.Option(help="A hash that verify told before: it must still be in the chain.")
    ] = None,
    queue: QueueFile = QUEUE,
) -> None:
    """Compute the log's chain again and compare every text with it. Prints the hash of the last entry."""
    from lora_marketing.common.errors import LogBroken
    from lora_marketing.review import Queue

    with Queue(queue) as opened:
        problems, last = opened.verify(head), opened.head()
    if problems:
        raise LogBroken(problems)
    result(last)


@app.command()
def export(
    to: Annotated[str, typer.Option("--to", help="google-ads, meta, mailchimp, csv or jsonl.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    texts: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="All if left out.")] = None,
    ship: Annotated[
        bool, typer.Option("--ship", help="For publishing: refuse what was not approved.")
    ] = False,
    state: States = None,
    brand: BrandName = None,
    line: LineName = None,
    campaign: Annotated[str, typer.Option(help="Campaign; the brand's name by default.")] = "",
    group: Annotated[str, typer.Option(help="Ad group or ad set; the product by default.")] = "",
    url: Annotated[str, typer.Option(help="Landing page.")] = "",
    literal: Annotated[
        bool, typer.Option("--literal", help="Write cells that begin with = + - @ as they are.")
    ] = False,
    queue: QueueFile = QUEUE,
) -> None:
    """Write texts for another program. Without --ship drafts are in it too, and marked."""
    from lora_marketing.common.files import check_writable, write_output
    from lora_marketing.review import Queue
    from lora_marketing.review.exports import Shipment, exported

    check_writable(out)
    with Queue(queue) as opened:
        if texts:
            ids = [opened.find(text).id for text in texts]
            items = sorted(opened.items(ids=ids), key=lambda item: ids.index(item.id))
        else:
            items = opened.items(_states(state), brand, line)
    raw = exported(to, items, Shipment(ship, campaign, group, url, literal))
    write_output(out, raw)
    note(f"wrote {out}")


@app.command()
def rows(
    brand: Annotated[str, typer.Option("--brand", help="Whose texts.")],
    out: Annotated[Path, typer.Option("--out", help="JSON lines to write.")],
    line: LineName = None,
    queue: QueueFile = QUEUE,
) -> None:
    """Write approved and edited texts as training rows."""
    from lora_marketing.common.files import check_writable
    from lora_marketing.review import approved_rows

    check_writable(out)
    approved = approved_rows(queue, brand, line)
    _write(out, (row.model_dump(mode="json") for _, row in approved))


@app.command()
def pairs(
    brand: Annotated[str, typer.Option("--brand", help="Whose texts.")],
    out: Annotated[Path, typer.Option("--out", help="JSON lines to write.")],
    line: LineName = None,
    queue: QueueFile = QUEUE,
) -> None:
    """Write pairs of a text that was taken and one that was not, for preference training."""
    from lora_marketing.common.files import check_writable
    from lora_marketing.review import pairs as pairs_of

    check_writable(out)
    _write(out, (pair.row() for pair in pairs_of(queue, brand, line)))


def _write(out: Path, found: Iterable[dict[str, object]]) -> None:
    from lora_marketing.common.files import write_output

    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in found]
    write_output(out, "".join(lines))
    note(f"wrote {len(lines)} rows to {out}")


def _states(given: Sequence[str] | None) -> tuple[ReviewState, ...]:
    from typing import cast, get_args

    from lora_marketing.common.errors import ReviewError, nearest
    from lora_marketing.review import ReviewState

    known = get_args(ReviewState)
    if wrong := [state for state in given or () if state not in known]:
        raise ReviewError([Problem(f'no state "{state}"', allowed=nearest(state, known)) for state in wrong])
    return cast("tuple[ReviewState, ...]", tuple(given or ()))


def _decide(queue: Queue, texts: Sequence[str], decision: Decision, again: bool) -> None:
    for item in [queue.find(text) for text in texts]:
        after = queue.decide(item, decision, again=again)
        result(visible_line(f"{after.id[:16]} {after.state} by {after.by}"))


def _words(text: str | None, file: Path | None) -> str:
    from lora_marketing.common.errors import DataError
    from lora_marketing.common.files import read_outside_text
    from lora_marketing.text.normalise import as_written

    if (text is None) == (file is None):
        raise DataError(Problem("an edit needs its text once", fix='--text "...", or --file FILE'))
    if file is None:
        return as_written(text or "")
    try:
        return as_written(read_outside_text(file)).rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(Problem("cannot be read", str(file), got=str(error))) from error
