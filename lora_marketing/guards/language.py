"""Language: finds texts that are not in the brand's language or, in Chinese, not in its script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from lora_marketing.brands.brand import TRADITIONAL
from lora_marketing.guards import Case, Finding, Severity
from lora_marketing.text.scripts import OTHERS, count_han, count_kana
from lora_marketing.text.words import words

if TYPE_CHECKING:
    from lingua import LanguageDetector
    from opencc import OpenCC

KNOWN = ("de", "en", "es", "fr", "it", "ja", "ko", "nl", "pt", "ru", "zh")
"""Languages that are detected. Each further one takes memory and makes short texts less certain."""
FEW_LETTERS, MANY_LETTERS = 16, 40
"""Shorter texts are not judged; from many letters on the detector is right."""
SURE, LIKELY, UNLIKELY = 0.9, 0.6, 0.12
_ENGLISH = frozenset(
    ("the", "and", "our", "your", "with", "for", "of", "to", "from", "you", "this", "that", "by", "are")
)
"""Words that hold English sentences together."""
_UNSPLIT = re.compile(r"\S+")
_ADDRESS = re.compile(r"@|://|www\.")
_DIGIT = re.compile(r"\d")
_TAG = re.compile(r"[#@]\w+|\b[A-Z]{2,}s?\b")


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find a text in another language than that of the brand's locale, or in the other Chinese script.

    Short headlines, names and numbers are ignored, as they do not show a language. Brands whose language is
    not in `KNOWN` are not checked.
    """
    language = case.brand.language
    plain = _plain(text, case)
    yield from _other_scripts(plain, language)
    if language not in KNOWN:
        return
    han, kana = count_han(plain), count_kana(plain)
    latin = len(re.findall(r"[A-Za-z\u00c0-\u024f]", plain))
    if language == "zh":
        yield from _chinese(plain, han, kana, latin)
        yield from _script(text, case.brand.locale)
    elif language != "ja" and han + kana > 2 and 4 * (han + kana) > latin:
        yield _finding("other", "fix" if han + kana > 5 else "review", f"Chinese or Japanese, not {language}")
    else:
        yield from _detected(plain, language)


def _finding(kind: str, severity: Severity, message: str, span: tuple[int, int] | None = None) -> Finding:
    return Finding(rule=f"language.{kind}", severity=severity, message=message, span=span)


def _plain(text: str, case: Case) -> str:
    """The text without what does not show its language: names, numbers, addresses."""
    brief, brand = case.brief, case.brand
    names = (brand.display_name, brief.product, *brief.attributes.values(), *brand.required_terms)
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = text.replace(name, " ")
    return _UNSPLIT.sub(lambda word: _of_a_language(word[0]), text)


def _of_a_language(word: str) -> str:
    """`word` without addresses, tags, numbers and abbreviations, which all languages write alike."""
    if _ADDRESS.search(word):
        return " "
    if _DIGIT.search(word):
        word = word[: next(at for at, letter in enumerate(word) if letter.isalnum() or letter == "_")] + " "
    return _TAG.sub(" ", word)


def _chinese(plain: str, han: int, kana: int, latin: int) -> Iterator[Finding]:
    """Check a Chinese text; one Chinese character counts as much as about four Latin letters."""
    if kana > 2 and kana * 4 > han:
        yield _finding("other", "fix", "Japanese, not zh")
    elif latin >= FEW_LETTERS and latin > 8 * han:
        sure = latin >= MANY_LETTERS or not han
        words = len(re.findall(r"\b[a-z]{2,}\b", plain))  # names of things begin with a capital
        if words > 2:
            yield _finding("other", "fix" if sure and words > 3 else "review", "not in Chinese")


def _detected(plain: str, language: str) -> Iterator[Finding]:
    letters = sum(map(str.isalpha, plain))
    if letters < FEW_LETTERS or len(words(plain)) < 3:
        return
    found = _detector().compute_language_confidence_values(plain)
    told = {one.language.iso_code_639_1.name.lower(): one.value for one in found}
    likely = max(told, key=told.__getitem__)
    many = letters >= MANY_LETTERS
    sure = told[likely] >= SURE or (many and told[language] < told[likely] / 4)
    short = told[likely] >= LIKELY and told[language] <= UNLIKELY and _may_be_foreign(plain)
    if likely != language and (sure or short):
        yield _finding("other", "fix" if many else "review", f"{likely}, not {language}")


def _may_be_foreign(plain: str) -> bool:
    """Whether a short text has words besides names, and none of those that hold English together."""
    small = [word for word in re.findall(r"(?<![\w'’])[^\W\d_]+(?![\w'’])", plain) if word.islower()]
    return len(small) > 2 and not _ENGLISH.intersection(small)


def _other_scripts(plain: str, language: str) -> Iterator[Finding]:
    """Words in a script that the brand's language is not written in; a short one may be a name."""
    for script, (letters, languages) in OTHERS.items():
        if language in languages:
            continue
        words = _foreign_words(letters).findall(plain)
        many = sum(map(len, words))
        if many > 2:
            yield _finding(
                "other", "fix" if many >= FEW_LETTERS else "review", f"{script} letters, not {language}"
            )


@cache
def _foreign_words(letters: str) -> re.Pattern[str]:
    """Words of these letters alone; beside Latin ones they are a disguise, alone (µ, Д) a sign."""
    return re.compile(rf"(?<![A-Za-z])[{letters}]{{2,}}(?![A-Za-z])")


def _script(text: str, locale: str) -> Iterator[Finding]:
    """Find characters of the other Chinese script; one or two are reviewed, as they may be part of a name."""
    if locale in TRADITIONAL:
        kind, wrong = "simplified", _foreign(text, "s2t", "big5hkscs")
    else:
        kind, wrong = "traditional", _foreign(text, "t2s", "gb2312")
    if wrong:
        severity: Severity = "fix" if len(wrong) > 2 else "review"
        message = f"{kind} characters: {''.join(text[at] for at in wrong[:8])}"
        yield _finding("script", severity, message, (wrong[0], wrong[-1] + 1))


def _foreign(text: str, conversion: str, charset: str) -> list[int]:
    """Indices of the characters that the conversion changes and that the script's own charset lacks."""
    converted = _converter(conversion).convert(text)
    if converted == text or len(converted) != len(text):
        return []
    pairs = enumerate(zip(text, converted, strict=True))
    return [at for at, (old, new) in pairs if old != new and not old.encode(charset, "ignore")]


@cache
def _converter(how: str) -> OpenCC:
    from opencc import OpenCC

    return OpenCC(how)


@cache
def _detector() -> LanguageDetector:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in KNOWN]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()
