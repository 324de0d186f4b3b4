"""Defines which characters are Chinese, Japanese or Korean, for all other modules.

Each constant goes into a character class of a regular expression: `f"[{HAN}]+"`, `f"[^{UNSPACED}]"`.
"""

from __future__ import annotations

import re

HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Chinese characters of all Unicode planes, with 々, 〆 and 〇."""
KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
"""Hiragana and katakana with the prolonged sound mark (ー), without the dot between names (・)."""
UNSPACED = HAN + KANA
"""Letters that are written without spaces between words; each of them counts as a word."""
UNBROKEN = f"\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af{HAN}"
"""Around these a term needs no space to stand by itself: Hangul too, whose particles cling to the noun."""
OTHERS = {
    "Cyrillic": ("\u0400-\u052f", ("ru", "uk", "bg", "sr", "mk", "be", "kk", "ky", "mn", "tg")),
    "Arabic": ("\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc", ("ar", "fa", "ur", "ps", "ku", "ug")),
    "Hebrew": ("\u0590-\u05ff", ("he", "yi")),
    "Devanagari": ("\u0900-\u097f", ("hi", "mr", "ne", "sa")),
    "Indian": ("\u0980-\u0dff", ("bn", "pa", "gu", "or", "ta", "te", "kn", "ml", "si", "as")),
    "Thai": ("\u0e00-\u0e7f", ("th",)),
    "Lao": ("\u0e80-\u0eff", ("lo",)),
    "Tibetan": ("\u0f00-\u0fff", ("bo", "dz")),
    "Burmese": ("\u1000-\u109f", ("my",)),
    "Georgian": ("\u10a0-\u10ff", ("ka",)),
    "Armenian": ("\u0530-\u058f", ("hy",)),
    "Ethiopic": ("\u1200-\u139f", ("am", "ti")),
    "Khmer": ("\u1780-\u17ff", ("km",)),
    "Korean": ("\u1100-\u11ff\u3130-\u318f\uac00-\ud7af", ("ko",)),
    "Greek": ("\u0370-\u03ff\u1f00-\u1fff", ("el",)),
}
"""Scripts by name, each with its letters and the languages that are written in it."""
_HAN, _UNSPACED, _UNBROKEN = (re.compile(f"[{letters}]") for letters in (HAN, UNSPACED, UNBROKEN))
_KANA = re.compile(f"[{KANA}]")


def has_han(text: str) -> bool:
    """Whether `text` holds a Chinese character."""
    return _HAN.search(text) is not None


def count_han(text: str) -> int:
    """Number of Chinese characters in `text`."""
    return len(_HAN.findall(text))


def count_kana(text: str) -> int:
    """Number of kana (hiragana and katakana) in `text`."""
    return len(_KANA.findall(text))


def unspaced(text: str) -> bool:
    """Whether `text` holds a letter of a script without spaces between words (Chinese, kana)."""
    return _UNSPACED.search(text) is not None


def unbroken(letter: str) -> bool:
    """Whether a term needs no space beside `letter`: Chinese, kana, Hangul and their punctuation."""
    return _UNBROKEN.match(letter) is not None
