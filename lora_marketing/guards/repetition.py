"""Repetition: finds loops, repeated sentences and phrases, and words that are used too often."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import eq

from lora_marketing.guards import Case, Finding
from lora_marketing.text.scripts import unbroken
from lora_marketing.text.words import ngrams, word_spans, words

_SENTENCE = re.compile(r"[^.!?。！？；;\n]+")
_DOUBLED = re.compile(r"\b(the|a|an|and|of|to|in|is|for|with|your|our|on|at|be|are)\s+\1\b", re.IGNORECASE)
LOOPS = ((1, 4, 5), (2, 3, 4), (3, 3, 4), (4, 3, 3), (5, 3, 3), *((size, 2, 2) for size in range(6, 31)))
"""Number of words in a phrase, and how many times in a row make a loop: for words, for Chinese characters."""
PHRASE = 5
"""Number of words in a phrase that must not occur three times; a Chinese character is half a word."""
MOST_OF_ONE = 0.25
"""The largest share of a text's words that one content word may have."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Find loops, else repeated sentences and phrases, words typed twice, and a word that is used too often.

    Phrases with names of the brand or the product, and these names, may be repeated.
    """
    spans = list(word_spans(text))
    said = [word for word, _, _ in spans]
    loop = _loop(said)
    if loop:
        span = spans[loop[0]][1], spans[loop[1] - 1][2]
        yield _finding("loop", "the same words in a row", span)
        return
    yield from _sentences(text)
    for found in _DOUBLED.finditer(text):
        yield _finding("doubled", f'"{found[1]}" twice', found.span(), found[1])
    names = set(words(f"{case.brand.display_name} {case.brief.product}"))
    yield from _phrases(spans, names)
    yield from _words(said, names)


def _finding(kind: str, message: str, span: tuple[int, int] | None, suggestion: str | None = None) -> Finding:
    return Finding(
        rule=f"repetition.{kind}", severity="fix", message=message, span=span, suggestion=suggestion
    )


def _loop(said: Sequence[str]) -> tuple[int, int] | None:
    """Index of the first word of a loop, and of the word after its end; None without a loop."""
    for size, times, han_times in LOOPS:
        again = bytes(map(eq, said[size:], said))  # 1 for a word that stands `size` words before, too
        for same in re.finditer(rb"\x01{%d,}" % (size * (min(times, han_times) - 1)), again):
            run, at = same.end() - same.start(), same.end() + size
            phrase = "".join(said[at - size : at])
            needed = han_times if all(map(unbroken, phrase)) else times
            if run >= size * (needed - 1) and not phrase.isdigit():
                return at - run - size, at
    return None


def _sentences(text: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for found in _SENTENCE.finditer(text):
        said = words(found[0])
        sentence = " ".join(said)
        if sentence in seen:
            yield _finding("sentence", "the same sentence again", found.span())
        if said and len(said) >= (6 if unbroken(said[0][0]) else 3):
            seen.add(sentence)


def _phrases(spans: Sequence[tuple[str, int, int]], names: set[str]) -> Iterator[Finding]:
    han = sum(unbroken(word[0]) for word, _, _ in spans) * 2 > len(spans)
    size = PHRASE * 2 if han else PHRASE
    grams = ngrams([word for word, _, _ in spans], size)
    for gram, times in Counter(grams).most_common(1):
        if times >= 3 and not names & set(gram):
            last = len(grams) - 1 - grams[::-1].index(gram)
            span = spans[last][1], spans[last + size - 1][2]
            yield _finding("phrase", f"the same phrase {times} times", span)


def _words(said: Sequence[str], names: set[str]) -> Iterator[Finding]:
    """Find a word of five or more letters that is used too often; shorter ones are mostly function words."""
    content = Counter(word for word in said if len(word) > 4 and word not in names)
    for word, times in content.most_common(1):
        if times >= 5 and times > MOST_OF_ONE * len(said):
            yield _finding("word", f'"{word}" {times} times', None)
