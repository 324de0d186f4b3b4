"""Unfinished: finds a text that the model did not end by itself, as at a token limit."""

from __future__ import annotations

from collections.abc import Iterator

from lora_marketing.guards import Case, Finding


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find a text that was not ended by the model, whose last sentence may be cut."""
    if not case.stopped:
        message = "the model did not end this text by itself: its last sentence may be cut"
        yield Finding(rule="unfinished", severity="fix", message=message)
