"""The length guard against the counting rules and the known limits."""

from __future__ import annotations

from lora_marketing.guards.length import find
from lora_marketing.guards.unfinished import find as unfinished
from tests.guards.making import case


def test_a_text_is_counted_as_its_channel_counts() -> None:
    (long,) = find("€" * 81, case())
    assert (long.rule, long.severity) == ("length.long", "fix")
    assert "162 of 160 gsm7" in long.message
    assert not list(find("€" * 80, case()))


def test_a_text_that_was_cut_is_written_again() -> None:
    assert [finding.rule for finding in unfinished("A bar", case(stopped=False))] == ["unfinished"]
    assert not list(unfinished("A bar.", case()))
