"""Keeps hashes of the texts that an adapter was trained on, to find passages that are copied from them."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate
from unicodedata import normalize

from lora_marketing.common.errors import DataError, Problem

_WORDS = 8
"""Words in a shingle; a Chinese character counts as half a word."""
_MAGIC = b"LMKNOWN\x01"
_HEAD = struct.Struct("<8sBII")
_CHECK = 16
# Not `text.scripts`: published versions hold hashes of these words, which a change here would make useless.
_TOKEN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]|[^\W_\u2e80-\u9fff\uf900-\ufaff]+")
_HAN = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True)
class Overlap:
    """How much of a text is among the known texts.

    Args:
        share: share of the text's words that are in known runs, 0 to 1; two Chinese characters are one word.
        words: length of the longest known run, in words.
        span: span of that run in the text; None if there is none.
        whole: True if the whole text is one of the known texts.
    """

    share: float
    words: int
    span: tuple[int, int] | None
    whole: bool


@dataclass(frozen=True)
class KnownTexts:
    """Hashes of texts, and of their shingles: every run of eight words or sixteen Chinese characters.

    A run can be recovered from its 64-bit hash only by guessing the whole run, so texts whose runs can all be
    guessed are not protected.
    """

    shingles: frozenset[int] = field(repr=False)
    texts: frozenset[int] = field(repr=False)

    @classmethod
    def of(cls, texts: Iterable[str]) -> KnownTexts:
        """Hash `texts`. Case, width, punctuation and spaces do not matter."""
        read = [_FoldedWords.read(text) for text in texts]
        shingles = frozenset(hashed for words in read for _, _, hashed in words.shingles())
        return cls(shingles, frozenset(words.whole for words in read if words.tokens))

    def __or__(self, other: KnownTexts) -> KnownTexts:
        """The known texts of both."""
        return KnownTexts(self.shingles | other.shingles, self.texts | other.texts)

    @property
    def hashes(self) -> int:
        """Number of hashes; each takes 8 bytes in a file and about 70 in memory."""
        return len(self.shingles) + len(self.texts)

    def overlap(self, text: str, but: KnownTexts | None = None) -> Overlap:
        """Find how much of `text` is known, not counting what is also in `but`."""
        words = _FoldedWords.read(text)
        free = but.shingles if but else frozenset()
        runs: list[tuple[int, int]] = []
        for first, end, hashed in words.shingles():
            if hashed not in self.shingles or hashed in free:
                continue
            if runs and first <= runs[-1][1]:
                runs[-1] = (runs[-1][0], end)
            else:
                runs.append((first, end))
        whole = bool(words.tokens) and words.whole in self.texts and not (but and words.whole in but.texts)
        if whole and not runs:
            runs = [(0, len(words.tokens))]
        if not runs:
            return Overlap(0.0, 0, None, whole)
        known = sum(words.weight(*run) for run in runs)
        longest = max(runs, key=lambda run: words.weight(*run))
        span = words.spans[longest[0]][0], words.spans[longest[1] - 1][1]
        share = known / words.weight(0, len(words.tokens))
        return Overlap(share, words.weight(*longest) // 2, span, whole)

    def to_bytes(self) -> bytes:
        """Serialise as a header, sorted hashes of 8 bytes each, and a checksum."""
        head = _HEAD.pack(_MAGIC, _WORDS, len(self.shingles), len(self.texts))
        hashes = (*sorted(self.shingles), *sorted(self.texts))
        body = head + struct.pack(f"<{len(hashes)}Q", *hashes)
        return body + _checksum(body)

    @classmethod
    def from_bytes(cls, data: bytes, where: str | None = None) -> KnownTexts:
        """Read what `to_bytes` wrote.

        Raises:
            DataError: the data is not such a file, is of another version, is cut or was changed.
        """
        body, check = data[:-_CHECK], data[-_CHECK:]
        if len(body) < _HEAD.size or not body.startswith(_MAGIC):
            raise _refused("is not a file of known texts of this version", where, data)
        _, words, shingles, texts = _HEAD.unpack_from(body)
        if words != _WORDS or len(body) != _HEAD.size + 8 * (shingles + texts) or check != _checksum(body):
            raise _refused("is cut or was changed", where, data)
        hashes = struct.unpack_from(f"<{shingles + texts}Q", body, _HEAD.size)
        return cls(frozenset(hashes[:shingles]), frozenset(hashes[shingles:]))


@dataclass(frozen=True)
class _FoldedWords:
    """The words of a text in lower case and half width, with their spans. Weights are in half words."""

    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, text: str) -> _FoldedWords:
        matches = list(_TOKEN.finditer(text))
        tokens = tuple(normalize("NFKC", match.group()).casefold() for match in matches)
        return cls(tokens, tuple(match.span() for match in matches))

    @cached_property
    def sums(self) -> list[int]:
        return list(accumulate((1 if _HAN.match(token) else 2 for token in self.tokens), initial=0))

    def weight(self, first: int, end: int) -> int:
        return self.sums[end] - self.sums[first]

    @property
    def whole(self) -> int:
        return _hash(self.tokens)

    def shingles(self) -> Iterator[tuple[int, int, int]]:
        """The shortest run from each token on that makes a shingle: first token, end (exclusive), hash."""
        end = 0
        for first in range(len(self.tokens)):
            while end < len(self.tokens) and self.weight(first, end) < 2 * _WORDS:
                end += 1
            if self.weight(first, end) < 2 * _WORDS:
                return
            yield first, end, _hash(self.tokens[first:end])


def _hash(tokens: tuple[str, ...]) -> int:
    return int.from_bytes(blake2b(" ".join(tokens).encode(), digest_size=8).digest(), "little")


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECK).digest()


def _refused(what: str, where: str | None, data: bytes) -> DataError:
    return DataError(Problem(what, where, got=f"{len(data)} bytes", fix="publish the version again"))
