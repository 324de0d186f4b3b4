"""Repetition: a sentence twice, a phrase in a loop, the same word again and again."""

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
"""Words in a phrase, and how often in a row it is a loop: in words, and in Chinese characters."""
PHRASE = 5
"""Words of a phrase that no text says three times; Chinese characters count half."""
MOST_OF_ONE = 0.25
"""The largest share of a text's words that one word of content may have."""


def find(text: str, case: Case) -> Iterator[Finding]:
    """Loops, whole sentences and phrases said again, a word typed twice, one word all over the text.

    Names of the brand and the product may return as often as they have to.
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
    """From which to which word a phrase comes again and again."""
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
    """Words of five letters and more: shorter ones are mostly grammar; Chinese characters are no words."""
    content = Counter(word for word in said if len(word) > 4 and word not in names)
    for word, times in content.most_common(1):
        if times >= 5 and times > MOST_OF_ONE * len(said):
            yield _finding("word", f'"{word}" {times} times', None)
