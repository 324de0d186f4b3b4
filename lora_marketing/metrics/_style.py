"""Style features: turns texts, with their topic words masked, into the input of a linear classifier.

There are four blocks of features: character n-grams and word n-grams of the masked text, n-grams of its shape
(case and inflection of masked words, beginnings and ends of sentences), and its rhythm (sentence lengths and
rates of punctuation).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from math import log, log1p, sqrt
from typing import TYPE_CHECKING, Any

from lora_marketing.metrics._topic import PLACEHOLDER, Terms, masked, shape, terms, topic_words
from lora_marketing.text.scripts import UNSPACED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LONGEST_SHAPE = 3
"""Number of tokens in the longest n-gram of shapes."""

# Not `text.words`, which drops punctuation: punctuation and digits are part of style.
_TOKEN = re.compile(rf"[^\W\d_{UNSPACED}]+(?:'[^\W\d_{UNSPACED}]+)*|[{UNSPACED}]|\d|[^\w\s]")
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++(?=\s|$)|[。！？]+|\n+")
_CLOSED = re.compile(r"[^\w.。!！?？…]*+[.。!！?？…]")
"""Matches the reversed text if no word follows its last full stop."""
_WORD_TOKEN = re.compile(rf"[\w{PLACEHOLDER}]")


class Features:
    """Turns texts into a sparse matrix [texts, features]: character and word n-grams, shapes, rhythm.

    Each block of a row has unit length (rhythm: unit length on average), so that no block outweighs another
    and a long text weighs no more than a headline.

    Args:
        masked: whether topic words are masked.
        style: whether shapes and rhythm are features, too.
    """

    def __init__(self, masked: bool, style: bool) -> None:
        self.masked, self.style = masked, style
        self.topic: frozenset[str] = frozenset()
        self.kept: frozenset[str] = frozenset()

    def fit_transform(self, texts: Sequence[str], brands: Sequence[str], names: Iterable[str]) -> Any:
        """Learn topic words, vocabulary and how rhythm depends on length.

        Args:
            texts: the training texts.
            brands: the brand of each text.
            names: names of brands and products, and attribute values; they are always masked.

        Returns:
            the features of `texts`, as `transform` gives them.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer

        if self.masked:
            self.topic = topic_words(_by_brand(texts, brands), names)
            self.kept = frozenset().union(*(terms(text) for text in texts)) - self.topic
        shown = [self.mask(text) for text in texts]
        shared = {"min_df": 2, "sublinear_tf": True, "lowercase": False}
        self.characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **shared)
        self.words = TfidfVectorizer(
            tokenizer=_TOKEN.findall, token_pattern=None, ngram_range=(1, 2), **shared
        )
        self.shapes = TfidfVectorizer(
            tokenizer=self.shape, token_pattern=None, ngram_range=(1, LONGEST_SHAPE), **shared
        )
        blocks = [self.characters.fit_transform(shown), self.words.fit_transform(shown)]
        if self.style:
            blocks += [self.shapes.fit_transform(texts), self._fit_rhythm(shown)]
        return _side_by_side(blocks)

    def mask(self, text: str) -> str:
        """The text with its topic words, and words never seen in training, masked."""
        return masked(text, self._hidden(text))

    def shape(self, text: str) -> list[str]:
        """The shape of the text as tokens; see `_topic.shape`."""
        return list(shape(text, self._hidden(text)))

    def transform(self, texts: Iterable[str]) -> Any:
        """Features of new texts: a SciPy sparse matrix [texts, features]."""
        rows = list(texts)
        shown = [self.mask(text) for text in rows]
        blocks = [self.characters.transform(shown), self.words.transform(shown)]
        if self.style:
            blocks += [self.shapes.transform(rows), self._rhythm(*_rhythm_rows(shown))]
        return _side_by_side(blocks)

    def _hidden(self, text: str) -> Terms:
        return Terms(terms(text) - self.kept if self.masked else ())

    def _fit_rhythm(self, shown: Sequence[str]) -> Floats:
        import numpy as np

        figures, lengths = _rhythm_rows(shown)
        self.by_length = np.linalg.lstsq(lengths, figures, rcond=None)[0]
        self.scale = (figures - lengths @ self.by_length).std(axis=0)
        self.scale[self.scale < 1e-9] = 1.0
        return self._rhythm(figures, lengths)

    def _rhythm(self, figures: Floats, lengths: Floats) -> Floats:
        standard = (figures - lengths @ self.by_length) / self.scale
        rows: Floats = standard.clip(-3, 3) / sqrt(standard.shape[1])
        return rows


def _by_brand(texts: Iterable[str], brands: Iterable[str]) -> dict[str, list[str]]:
    by_brand: dict[str, list[str]] = {}
    for text, brand in zip(texts, brands, strict=True):
        by_brand.setdefault(brand, []).append(text)
    return by_brand


def _side_by_side(blocks: Sequence[Any]) -> Any:
    from scipy.sparse import hstack

    return hstack(blocks, format="csr")


def _rhythm_rows(shown: Sequence[str]) -> tuple[Floats, Floats]:
    """Figures [texts, figures] and the powers 0, 1, 2 of log length [texts, 3]."""
    import numpy as np

    rows = [_rhythm(text) for text in shown]
    length = np.array([length for _, length in rows])
    return np.array([figures for figures, _ in rows]), np.vander(length, 3)


def _rhythm(text: str) -> tuple[list[float], float]:
    """Style figures of a masked text, and the logarithm of its length in words.

    All figures are rates, so that a headline and a page are comparable; `Features` then subtracts what length
    alone predicts. Length itself is not a feature: it depends on the field, not on the brand.
    """
    tokens = [_TOKEN.findall(part) for part in _SENTENCE_END.split(text)]
    lengths = [sum(1 for token in part if _WORD_TOKEN.match(token)) for part in tokens]
    lengths = [length for length in lengths if length] or [1]
    words, sentences = sum(lengths), len(lengths)
    mean = words / sentences
    spread = sqrt(sum((length - mean) ** 2 for length in lengths) / sentences)
    flat = [token for part in tokens for token in part]
    marks = Counter(text)
    figures = [
        log(mean),
        log(max(lengths)),
        log(min(lengths)),
        log1p(spread / mean),
        _count(marks, ",，") / sentences,
        _count(marks, ",，") / words,
        _count(marks, "、") / words,
        _count(marks, "!！") / sentences,
        _count(marks, "?？") / sentences,
        _count(marks, ":：;；—–") / sentences,
        marks["'"] / words,
        flat.count("0") / words,
        flat.count(PLACEHOLDER) / words,
        float(bool(_CLOSED.match(text[::-1]))),
    ]
    return figures, log(words)


def _count(marks: Counter[str], characters: str) -> int:
    return sum(marks[character] for character in characters)
