"""The length guard against the counting rules and the limits of the channels."""

from __future__ import annotations

from lora_marketing.channels import channel_names, load_channel
from lora_marketing.channels.counting import count
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


def test_a_field_has_a_least_length_too() -> None:
    """One letter less than the shortest text that a field takes is short."""
    least = [
        (channel, field, limit)
        for channel in channel_names()
        for field, limit in load_channel(channel).fields.items()
        if limit.min > 1
    ]
    assert len(least) >= 5
    for channel, field, limit in least:
        asked = case({"channel": channel, "field": field})
        size = next(size for size in range(99) if count("x" * size, limit.unit) >= limit.min)
        assert not list(find("x" * size, asked))
        (short,) = find("x" * (size - 1), asked)
        assert (short.rule, short.severity, short.span) == ("length.short", "fix", (0, size - 1))
