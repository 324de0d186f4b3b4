"""Stop rate: the share of texts that the model ended with a stop token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lora_marketing.metrics import Counts, Figure, MeasuredText

FIGURES = {"stop_rate": Figure("ended by itself", "share", "more")}


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """1 for a text that the model ended by itself, else 0."""
    return ({"stop_rate": (float(written.stopped), 1.0)} for written in texts)
