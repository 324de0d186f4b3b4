"""Written copy with its provenance, and the files it is kept in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from lora_marketing.brands.brand import Brief, Name
from lora_marketing.common.documents import Frozen, shown
from lora_marketing.common.errors import DataError, Problem
from lora_marketing.common.files import read_outside_text, write_output
from lora_marketing.copy.mending import Mending
from lora_marketing.guards import Finding, Verdict


class Rewritten(Frozen):
    """A piece of an ad that was written again, by its own brief: which one, and its provenance."""

    field: str
    number: int
    seed: int
    prompt_sha256: str
    tokens: int


class Copy(Frozen):
    """One written answer. `adapter` is None where the base wrote it with the brand's prompt.

    `id` is the SHA-256 of the text and its provenance. `verdict` is None of a text that no guard has
    seen; `mended` and `rewritten` tell what became of what the model said at first, `round` in which
    round it was written.
    """

    id: str = ""
    text: str
    brand: Name
    line: Name
    adapter: str | None
    digest: str | None
    base: str
    seed: int
    variant: int
    prompt_sha256: str
    stopped: bool
    tokens: int
    brief: Brief
    round: int = 1
    rewritten: list[Rewritten] = []
    mended: list[Mending] = []
    findings: list[Finding] = []
    verdict: Verdict | None = None

    @model_validator(mode="after")
    def _has_its_id(self) -> Copy:
        said = self.model_dump_json(exclude={"id", "mended", "findings", "verdict"})
        own = sha256(said.encode()).hexdigest()
        if self.id not in ("", own):
            raise ValueError("id is not that of this text and its provenance")
        object.__setattr__(self, "id", own)
        return self

    def changed(self, **changes: Any) -> Copy:
        """The same with changes, under the id that it has then."""
        return Copy.model_validate({**dict(self), "id": "", **changes})


def prompt_sha256(prompt: Sequence[int]) -> str:
    """The hash that provenance keeps of a prompt's tokens."""
    return sha256(str(list(prompt)).encode()).hexdigest()


def write_copies(path: Path, copies: Iterable[Copy]) -> None:
    """Write one JSON object a line.

    Raises:
        OutputError: the file cannot be written.
    """
    write_output(path, "".join(copy.model_dump_json() + "\n" for copy in copies))


def read_copies(path: Path) -> list[Copy]:
    """Read what `generate --json` wrote.

    Raises:
        DataError: the file is missing or lines are broken, all at once.
    """
    try:
        lines = read_outside_text(path).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(Problem("cannot be read", shown(path), got=str(error))) from error
    problems: list[Problem] = []
    copies: list[Copy] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            copies.append(Copy.model_validate_json(line))
        except ValidationError as error:
            what = error.errors(include_url=False)[0]
            field = ".".join(map(str, what["loc"]))
            got = f"{field}: {what['msg']}" if field else what["msg"]
            problems.append(Problem("not a copy", f"{shown(path)}:{number}", got=got))
    if problems or not copies:
        raise DataError(problems or [Problem("no copies", shown(path))])
    return copies


def share_stopped(copies: Sequence[Copy]) -> float | None:
    """Share of `copies` that ended by themselves; None of none."""
    return sum(copy.stopped for copy in copies) / len(copies) if copies else None
