"""Guard pass rate: the share of texts without a finding, and the share that a guard blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lora_marketing.metrics import Counts, Figure, MeasuredText

FIGURES = {
    "guards_passed": Figure("passed by the guards", "share", "more"),
    "guards_blocked": Figure("blocked by a guard", "share", "less"),
}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """Whether each text passed and whether it was blocked; nothing for a text that no guard checked."""
    for written in texts:
        if written.verdict is None:
            yield {}
        else:
            passed, blocked = written.verdict == "pass", written.verdict == "block"
            yield {"guards_passed": (float(passed), 1.0), "guards_blocked": (float(blocked), 1.0)}
