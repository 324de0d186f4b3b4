"""Guard pass rate: the share of texts that no guard objects to, and of those that must not be published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lora_marketing.metrics import Counts, Figure, MeasuredText

FIGURES = {
    "guards_passed": Figure("passed by the guards", "share", "more"),
    "guards_blocked": Figure("blocked by a guard", "share", "less"),
}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """What the verdict of each text says, where guards were asked."""
    for written in texts:
        if written.verdict is None:
            yield {}
        else:
            passed, blocked = written.verdict == "pass", written.verdict == "block"
            yield {"guards_passed": (float(passed), 1.0), "guards_blocked": (float(blocked), 1.0)}
