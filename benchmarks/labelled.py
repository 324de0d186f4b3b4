"""Labelled texts for guards: what each guard should find, and what it should let pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lora_marketing.guards import Case


@dataclass(frozen=True)
class Row:
    """One text; `wrong` says that the guard should object to it."""

    text: str
    wrong: bool
    case: Case


@dataclass(frozen=True)
class LabelledSet:
    """Rows for one guard from one source, in one language (`en`, `zh`)."""

    guard: str
    source: str
    language: str
    rows: Sequence[Row]
