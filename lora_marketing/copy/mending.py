"""Mending: small faults of writing that have one right answer, put right and noted.

It changes spaces, quotes, punctuation and the case of the brand's name, and takes away what belongs
to the chat and not to the text. Every other word and every digit stays. Mending twice changes nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lora_marketing.brands.brand import TRADITIONAL, Brand, Brief
from lora_marketing.channels.structure import AD
from lora_marketing.common.documents import Frozen
from lora_marketing.text.scripts import HAN, has_han

Edit = tuple[int, int, str]
"""Replace these characters by that text."""
MendingRule = Callable[[str, Brand], Iterator[Edit]]
ROUNDS = 20
"""How often the rules are gone through; faults within faults are rarely three deep."""
_WIDE = "，。！？；：、“”‘’（）《》「」『』【】…—"
_END = re.compile(r"""(?<![.!?…。！？])[.!?…。！？]+["'”’)\]」』）]*(?=\s|\Z|(?<=[。！？…”’」』）]))""")
_FULL_WIDTH = str.maketrans(",;:!?()", "，；：！？（）")


class Mending(Frozen):
    """One change: the rule, the characters it replaced in the text as it stood then, and by what.

    In a whole ad they are characters of a `piece`, such as `headline 3`.
    """

    rule: str
    span: tuple[int, int]
    before: str
    after: str
    piece: str = ""


@dataclass(frozen=True)
class Mended:
    """A text and what was done to it, in this order."""

    text: str
    mendings: tuple[Mending, ...] = ()


def mend(text: str, brand: Brand, *, cut: bool = False) -> Mended:
    """Put right what has one right answer in the brand's language.

    Args:
        text: what was written.
        brand: whose name and locale hold.
        cut: the model did not end the text by itself; what follows its last whole sentence goes,
            if a whole sentence remains.
    """
    rules = {"fragment": _fragment, **RULES} if cut else RULES
    mendings: list[Mending] = []
    for _ in range(ROUNDS):  # what one rule leaves can be another's
        before = text
        for name, rule in rules.items():
            named = [] if rule is _name else [found.span() for found in _names(text, brand)]
            edits = [edit for edit in rule(text, brand) if not _tears(edit, named)]
            text, done = _applied(name, edits, text)
            mendings += done
        if text == before:
            break
    return Mended(text, tuple(mendings))


def is_whole(text: str) -> bool:
    """Whether a text ends with the end of a sentence."""
    return any(found.end() == len(text) for found in _END.finditer(text))


def is_complete(text: str, brief: Brief, stopped: bool) -> bool:
    """Whether a mended text is all there: the model ended it, or what is left of it is whole sentences."""
    return stopped or (brief.field != AD and is_whole(text))


def _applied(rule: str, edits: Sequence[Edit], text: str) -> tuple[str, list[Mending]]:
    """The text with `edits`, which are in order and apart, and a note of each that changes something."""
    done: list[Mending] = []
    parts, place, moved = [], 0, 0
    for start, end, after in edits:
        before = text[start:end]
        parts += [text[place:start], after]
        place = end
        if before != after:
            done.append(Mending(rule=rule, span=(start + moved, end + moved), before=before, after=after))
            moved += len(after) - len(before)
    return "".join([*parts, text[place:]]), done


def _all(pattern: re.Pattern[str], text: str, after: str = "") -> Iterator[Edit]:
    """Replace the first group of every match, or all of it where there is no group."""
    for found in pattern.finditer(text):
        start, end = found.span(1 if pattern.groups else 0)
        yield start, end, after


_ROLE = re.compile(r"\A\s*(?:(?:<\|[^|>]*\|>\s*)*(?:assistant|助手)\s*[:：\n]\s*)+", re.IGNORECASE)
_SPECIAL = re.compile(r"<\|[a-z_]+\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")


def _roles(text: str, brand: Brand) -> Iterator[Edit]:
    """Marks of the chat that are no part of the text."""
    if found := _ROLE.match(text):
        yield 0, found.end(), ""
    else:
        yield from _all(_SPECIAL, text)


_MARKDOWN = re.compile(r"^((?:#{1,6} +)+)|(\*\*|__|`)(?=\S)(?:(?!\2).)+(?<=\S)(\2)", re.MULTILINE)


def _markdown(text: str, brand: Brand) -> Iterator[Edit]:
    """Headings, bold and code: platforms show their marks as they are."""
    for found in _MARKDOWN.finditer(text):
        for group in (1, 2, 3):
            if found[group]:
                yield (*found.span(group), "")


_SPACES = re.compile(r"(?<=\S)([ \t\u3000]{2,})(?=\S)")
_EDGES = re.compile(r"(?<![ \t\u3000])[ \t\u3000]++(?=\n)|(?<=\n)[ \t\u3000]+|\A\s+")
_BREAKS = re.compile(r"[ \t\u3000]+(?=\n|\Z)")
_LINES = re.compile(r"\n{3,}")
_BEFORE_MARK = re.compile(r"(?<=[^\W_])( +)(?=[,.;:!?](?:\s|\Z))")


def _spacing(text: str, brand: Brand) -> Iterator[Edit]:
    """Two spaces for one, spaces at the edges of lines and before punctuation, which only French has."""
    said = len(text.rstrip())
    found = [(*match.span(), "") for match in _EDGES.finditer(text) if match.start() < said]
    if said < len(text):
        spaces = _BREAKS.match(text, said)
        rest = spaces.end() if spaces else said
        found += [(start, end, "") for start, end in ((said, rest), (rest, len(text))) if start < end]
    found += [(*match.span(), "\n\n") for match in _LINES.finditer(text)]
    if brand.language != "fr":
        found += _all(_BEFORE_MARK, text)
    found += _all(_SPACES, text, " ")
    yield from _apart(found)


def _apart(edits: Sequence[Edit]) -> Iterator[Edit]:
    """Those that do not touch one before them; the others come in the next round."""
    end = -1
    for edit in sorted(edits):
        if edit[0] >= end:
            yield edit
            end = edit[1]


_HALF_WIDTH = re.compile(rf"(?<=[{HAN}{_WIDE}])([,;:!?])(?=[\s{HAN}{_WIDE}]|\Z)")
_STOP = re.compile(rf"(?<=[{HAN}])(\.)(?=[\s{HAN}{_WIDE}]|\Z)")
_DOTS = re.compile(rf"(?<=[{HAN}])(\.{{3,}}|。{{3,}})")
_BRACKETS = re.compile(rf"(?<=[{HAN}])(\()(?=[^()\n]*+\))[^()\n]*?[{HAN}][^()\n]*+(\))")
_CHINESE_SPACE = re.compile(rf"(?<=[{HAN}{_WIDE}])([ \u3000]+)(?=[{HAN}{_WIDE}])")
_BESIDE_WIDE = re.compile(r"(?<=[，。！？；：、])( +)(?=\S)|(?<=\S)( +)(?=[，。！？；：、])")
_LATIN_SPACE = re.compile(rf"(?<=[{HAN}])( ?)(?=[A-Za-z0-9])|(?<=[A-Za-z0-9])( ?)(?=[{HAN}])")


def _chinese(text: str, brand: Brand) -> Iterator[Edit]:
    """Full-width punctuation after Chinese, no space between Chinese, one way beside Latin letters.

    A text that sets some Latin words off by spaces and others not follows its majority, and no space
    at a draw (GB/T 15834 has none).
    """
    if brand.language != "zh":
        return
    edits: list[Edit] = [
        (*found.span(1), found[1].translate(_FULL_WIDTH)) for found in _HALF_WIDTH.finditer(text)
    ]
    edits += _all(_DOTS, text, "……")
    edits += _all(_STOP, text, "。")
    for found in _BRACKETS.finditer(text):
        edits += [(*found.span(group), found[group].translate(_FULL_WIDTH)) for group in (1, 2)]
    edits += _all(_CHINESE_SPACE, text)
    edits += [(*found.span(), "") for found in _BESIDE_WIDE.finditer(text)]
    borders = list(_LATIN_SPACE.finditer(text))
    spaced = sum(bool(found[0]) for found in borders)
    wanted = " " if 2 * spaced > len(borders) else ""
    edits += [(*found.span(), wanted) for found in borders if found[0] != wanted]
    yield from _apart(edits)


_WRAPPED = re.compile(r"""\A(?:"[^"]*"|“[^“”]*”|「[^「」]*」)\Z""", re.DOTALL)
_APOSTROPHE = re.compile(r"(?<=[^\W\d_])(')(?=[^\W\d_])")
_DOUBLE = re.compile(r'(?<!\d)(")(?=\S)([^"\n]*)(?<=\S)(?<!\d)(")')


def _quotes(text: str, brand: Brand) -> Iterator[Edit]:
    """No quotes around the whole text; within it one kind, Chinese ones in Chinese.

    An English text that mixes straight and curly ones follows its majority, straight at a draw.
    Inches and feet stay.
    """
    if _WRAPPED.match(text) and len(text) > 2:
        yield 0, 1, ""
        yield len(text) - 1, len(text), ""
    elif brand.language == "zh":
        pair = "「」" if brand.locale in TRADITIONAL else "“”"
        for found in _DOUBLE.finditer(text):
            if has_han(found[2]):
                yield (*found.span(1), pair[0])
                yield (*found.span(3), pair[1])
    elif brand.language == "en":
        yield from _one_kind(text)


def _one_kind(text: str) -> Iterator[Edit]:
    apostrophes, pairs = list(_APOSTROPHE.finditer(text)), list(_DOUBLE.finditer(text))
    curly = list(re.finditer("[‘’“”]", text))
    if len(apostrophes) + 2 * len(pairs) >= len(curly):
        if apostrophes or pairs:
            yield from ((*found.span(), "'" if found[0] in "‘’" else '"') for found in curly)
        return
    edits: list[Edit] = [(*found.span(1), "’") for found in apostrophes]
    for found in pairs:
        edits += [(*found.span(1), "“"), (*found.span(3), "”")]
    yield from sorted(edits)


def _name(text: str, brand: Brand) -> Iterator[Edit]:
    """The brand's name as the brand may be called, in full width and in other cases too.

    Addresses and tags stay.
    """
    for found in _names(text, brand):
        if not brand.may_be_called(found[0]):
            yield (*found.span(), brand.display_name)


def _names(text: str, brand: Brand) -> Iterator[re.Match[str]]:
    """Where the brand's name stands. No other rule changes anything in it."""
    letters = "".join(_either_width(letter) for letter in brand.display_name)
    return re.finditer(rf"(?<![A-Za-z0-9_@#./-]){letters}(?![A-Za-z0-9_@/-]|\.\w)", text, re.IGNORECASE)


def _tears(edit: Edit, names: Sequence[tuple[int, int]]) -> bool:
    """Whether an edit changes some of a name. A fragment may go with the names in it."""
    start, end, _ = edit
    first = bisect_right(names, start, key=lambda name: name[1])
    last = bisect_left(names, end, key=lambda name: name[0]) - 1
    return first <= last and (names[first][0] < start or end < names[last][1])


def _either_width(letter: str) -> str:
    if letter == " ":
        return r"[ \u3000]"
    if letter in "'’":
        return "['’＇]"
    wide = chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter
    return f"[{re.escape(letter)}{wide}]"


def _fragment(text: str, brand: Brand) -> Iterator[Edit]:
    """What follows the last whole sentence of a text that was cut."""
    ends = [found.end() for found in _END.finditer(text)]
    if ends and text[ends[-1] :].strip():
        yield ends[-1], len(text), ""


RULES: dict[str, MendingRule] = {
    "roles": _roles,
    "markdown": _markdown,
    "spacing": _spacing,
    "chinese": _chinese,
    "quotes": _quotes,
    "name": _name,
}
