"""What writers put in the place of letters, and between them: the one table for finders and patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lora_marketing.text.scripts import UNSPACED

PICTURES = "\u2190-\u21ff\u2300-\u243f\u2500-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff"
"""Emoji, arrows, stars and the like, as the inside of a character class."""
WITHIN = r"*·•_~^|.\-+=#\\…`"
"""Signs that stand within a disguised word, as the inside of a character class."""
_AS_I = str.maketrans("0134578@$!|€", "oieastbasiie")
_AS_L = _AS_I | str.maketrans("1!|I", "llll")
_HALF_WIDTH = {sign + 0xFEE0: sign for sign in range(0x21, 0x7F)}
_UNSPLIT = re.compile(rf"[^\s{UNSPACED}]+")
_CLOSING = "!|,.;:?)]}\"'’”…"
_LETTER = re.compile(r"[^\W\d_]")
_SIGN = re.compile(r"[0-9@$!|€]")
_CAPITAL_INSIDE = re.compile(r"[a-z]I|[A-Z]l[A-Z]")


def with_letters_for_signs(text: str) -> Iterator[str]:
    """`text` with letters for signs, once with i and once with l for `1`, `!` and `|`; all keep their places.

    Nothing where no sign and no capital I may hide a letter.
    """
    text = text.translate(_HALF_WIDTH)
    signed = [word.span() for word in _UNSPLIT.finditer(text) if _may_hide_letters(word[0])]
    for table in (_AS_I, _AS_L) if signed else ():
        letters = list(text)
        for start, end in signed:
            letters[start:end] = _unsigned(text[start:end], table)
        yield "".join(letters)


def _may_hide_letters(word: str) -> bool:
    """Whether a digit or a sign in it may stand for a letter, or an I and an L for each other."""
    signed = _SIGN.search(word) and _LETTER.search(word)
    return bool(signed or _CAPITAL_INSIDE.search(word))


def _unsigned(word: str, table: dict[int, int]) -> str:
    """`word` with letters for its signs; what closes a sentence stays."""
    body = re.sub(r"\.\d+$", "", word.rstrip(_CLOSING))
    return re.sub("(?<=[A-Z])l(?=[A-Z])", "I", body).translate(table) + word[len(body) :]


def with_and(term: str) -> tuple[str, ...]:
    """A term as it is written, and with `and` for its `&` or `+` or the other way round.

    >>> with_and("Ember & Oak")
    ('Ember & Oak', 'Ember and Oak')
    """
    spelled = re.sub(r" ?[&+＆] ?(?=\w)", " and ", term)
    return tuple(dict.fromkeys((term, spelled, re.sub(" and ", " & ", spelled, flags=re.IGNORECASE))))
