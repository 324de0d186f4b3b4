"""What may be shown to a person: letters that change nothing but themselves.

A terminal obeys control characters, a change of writing direction reorders what stands beside it, and
other letters are not seen at all. So whatever came from outside is shown through `visible`, and names
and briefs are refused by `unprintable`. Both know the same letters.
"""

from __future__ import annotations

import re

_OBEYED = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1, but for tab and line feed
    r"\u2028\u2029\u202a-\u202e\u2066-\u2069"  # line and paragraph separators, writing directions
    r"\u2061-\u2064\u206a-\u206f\ufff9-\ufffb"  # unseen signs of formulas, formats long deprecated
    r"\ud800-\udfff"  # half of a character, which no stream takes
)
_TAGS = "(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]"
"""But for those of a flag."""
_UNSEEN = (
    "[\u00ad\u115f\u1160\u180e\u2060\u3164\ufeff\uffa0]"
    "|(?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])\u200b"  # Thai, Lao, Burmese and Khmer break words by it
    "|(?<![\u0600-\U0010ffff])[\u200c\u200d]"  # joins letters and pictures, but for no Latin ones
)
_IN_TEXT = re.compile(f"[{_OBEYED}]|{_TAGS}")
_IN_NAME = re.compile(rf"[{_OBEYED}\t\n]|{_TAGS}|{_UNSEEN}")
_SHOWN_TEXT = re.compile(f"[{_OBEYED}]|{_TAGS}|{_UNSEEN}")


def unprintable(text: str, *, one_line: bool = False) -> str | None:
    """The first letter of `text` that may not stand in it, and where; None if there is none.

    Args:
        text: from outside.
        one_line: it is a name: line breaks, tabs and unseen letters may not stand in it either.

    >>> unprintable("soap\\x1b[2J")
    'U+001B at character 5'
    """
    found = (_IN_NAME if one_line else _IN_TEXT).search(text)
    return f"U+{ord(found[0]):04X} at character {found.start() + 1}" if found else None


def visible(text: str) -> str:
    r"""`text` as it may be shown: what is obeyed or unseen is written out, as JSON writes it.

    >>> visible("soap\x1b[2J")
    'soap\\u001b[2J'
    """
    return _SHOWN_TEXT.sub(_escaped, text)


def visible_line(text: str) -> str:
    """The same in one line: line breaks and tabs are written out, too."""
    return _IN_NAME.sub(_escaped, text)


def _escaped(letter: re.Match[str]) -> str:
    units = letter[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
