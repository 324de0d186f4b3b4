"""Events as clients read them."""

from __future__ import annotations

import pytest

from lora_marketing.serving.events import event


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"text": "香皂 é 🧼"}, '{"text": "香皂 é 🧼"}'),
        ("a\nb\r", r'"a\nb\r"'),
        ("a\x85b\u2028c\u2029", r'"a\u0085b\u2028c\u2029"'),
        ("\x84\x86\u2027\u202a", '"\x84\x86\u2027\u202a"'),
    ],
)
def test_an_event_is_one_line_with_its_text_as_it_is(value: object, text: str) -> None:
    """But for what some clients take for the end of a line."""
    assert event(value) == f"data: {text}\n\n"
    assert event(value).splitlines() == [f"data: {text}", ""]
