"""Voice score: which brand does a text sound like, once its topic is gone?

A classifier learns the brands' real texts and names the brand of a new one. Brands differ in
topic as well as in style, and topic is by far the easier cue: a coffee text is Ember's because it
says *coffee*. So topic is masked first, and what is left is style: function words, punctuation,
sentence length, rhythm, person, and the content words that every brand uses alike.

How topic is found without labels (see `topic_words`): text distortion (Stamatatos, EACL 2017)
with an open door for shared words. A text may show two kinds of words only:

1. function words, a closed class listed below. They carry grammar, person and tone, not subject;
2. content words that *every* brand uses, none more than `TOPIC_RATIO` times as often as another
   (document frequency). They tell little of the topic, whatever they mean.

Every other word becomes one placeholder: words of names, words that one brand prefers, and words
never seen in training, so a new product's vocabulary cannot speak through its character n-grams.
The price is that a brand's pet words (`quid`, `linen`) are masked too: the score is a lower bound on
how recognisable a voice is, which is the safe side for a gate. What it buys: two products of one
brand on mozilla.org (Firefox, Mozilla VPN: one voice, two topics) are told apart with macro accuracy .74
unmasked and .54 masked; Ember and Lumen (two voices) with .99 both ways.

Numbers become `0`, so "uses numbers" stays a signal. Chinese and kana have no word breaks: there a
word is a pair of neighbouring content characters, and a run of masked characters is one placeholder.
Other languages have no function-word list here; their common words pass by the second rule.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import log, log1p, sqrt
from typing import TYPE_CHECKING, Any

from lora_marketing.errors import DataError, Problem, nearest
from lora_marketing.metrics import Counts, Figure, Written
from lora_marketing.metrics._intervals import wilson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

PLACEHOLDER = "□"
"""Stands for any masked word, whatever its length."""

TOPIC_RATIO = 2.0
"""A content word is topic if one brand uses it this many times as often as another."""

MINIMUM_TEXTS = 10
"""Fewer texts of a brand than this do not show a voice."""

MINIMUM_GROUPS = 3
"""Fewer groups (products) of a brand than this cannot be held out in turn."""

FOLDS = 5
RESAMPLES = 2000

FUNCTION_WORD_CLASSES = {
    "determiners and quantifiers": (
        "a an the this that these those some any no none every each either neither both all half enough "
        "another other others such same own much many more most less least few fewer several one ones "
    ),
    "pronouns": (
        "i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself "
        "she her hers herself it its itself they them their theirs themselves who whom whose which what "
        "whatever whoever whichever someone somebody something anyone anybody anything everyone everybody "
        "everything nobody nothing "
    ),
    "prepositions and particles": (
        "of in on at by for with without within from into onto to toward towards up down out off over under "
        "above below between among amongst across along around round about against before after during "
        "since until till through throughout upon beneath beside besides beyond behind near past per via "
        "like unlike than inside outside despite except "
    ),
    "conjunctions and question words": (
        "and or but nor so yet if unless because though although while whilst whereas whether as when "
        "whenever where wherever how however why "
    ),
    "auxiliaries, modals, negation": (
        "be am is are was were been being do does did doing done have has had having can could may might "
        "must shall should will would ought cannot not never let "
        "isn't aren't wasn't weren't don't doesn't didn't haven't hasn't hadn't can't couldn't mustn't "
        "shan't shouldn't won't wouldn't needn't mightn't "
    ),
    "adverbs of degree, time, place and stance that form no open class": (
        "very too quite rather almost just only even also still already again once twice ever always often "
        "sometimes usually perhaps maybe here there everywhere nowhere somewhere now then soon later else "
        "instead thus hence therefore otherwise anyway indeed well away back ago yes please"
    ),
}
"""English function words by closed class."""

FUNCTION_WORDS = frozenset(word for words in FUNCTION_WORD_CLASSES.values() for word in words.split())
"""All of them."""

FUNCTION_WORDS_ZH = frozenset(
    # particles; pronouns; demonstratives and question words (怎 什 么 哪 谁 几)
    "的了着吗呢吧啊呀嘛嗯哦罢我你您他她它们咱己谁这那哪此其怎什么几"
    # being, having, negation, adverbs
    "是有没不别未无也都就才只还又再很太更最挺已曾正刚便仍却总常真"
    # conjunctions, prepositions, passive; modals
    "和与跟或及但而且则若因虽所以于之为把被让给对从到向往在由比按如像能可该要想"
    # measure words and light nouns that stand for grammar
    "一个些每各另某"
)
"""Chinese function characters. Those that are as often part of a content word (上 里 地 会) are left out."""

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_PIECE = re.compile(
    rf"(?P<number>\d+(?:[.,:]\d+)*)|(?P<han>[{_UNSPACED}]+)"
    rf"|(?P<word>(?:(?![{_UNSPACED}])[^\W\d_])+(?:['’](?:(?![{_UNSPACED}])[^\W\d_])+)*)"
    r"|(?P<symbol>[%‰°℃℉£$€¥₹₽&+×±])"
)
_CLITIC = re.compile(r"(?<=[^\W\d_])['’](?:s|ll|re|ve|d|m|t)$", re.IGNORECASE)
_TOKEN = re.compile(rf"[^\W\d_{_UNSPACED}]+(?:'[^\W\d_{_UNSPACED}]+)*|[{_UNSPACED}]|\d|[^\w\s]")
_SENTENCE_END = re.compile(r"[.!?…]+(?=\s|$)|[。！？]+|\n+")
_WORD_TOKEN = re.compile(rf"[\w{PLACEHOLDER}]")


@dataclass(frozen=True)
class VoiceText:
    """One real text of a brand. A `group` (a product, a page) is never on both sides of a split."""

    brand: str
    text: str
    group: str


@dataclass(frozen=True)
class VoiceVerdict:
    """The brand a text sounds like. Probabilities assume every brand equally likely beforehand."""

    brand: str
    probability: float
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class HeldOutAccuracy:
    """How often the brand of a text of an unseen group is named right.

    `macro` weighs every brand equally. Intervals are 95 % and resample whole groups, since texts
    on one product are not independent. `by_brand` is the share named right of each brand.
    """

    accuracy: float
    interval: tuple[float, float]
    macro: float
    macro_interval: tuple[float, float]
    by_brand: Mapping[str, float]
    n: int
    folds: int


@dataclass(frozen=True)
class VoiceScore:
    """How many of `n` texts sound like the brand they were written for, with a Wilson 95 % interval."""

    named_right: int
    n: int
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        """Share of texts named right."""
        return self.named_right / self.n


def mask(text: str, topic_words: Iterable[str]) -> str:
    """Replace topic words by `PLACEHOLDER` and numbers by `0`.

    Latin words match whole, whatever their case, and with a clitic (`Ember's` becomes `□'s`).
    Chinese ones match anywhere; characters masked side by side become one placeholder.

    >>> mask("Ember roasts 250 g. It's strong.", {"ember", "roasts", "g"})
    "□ □ 0 □. It's strong."
    """
    return _masked(text, _Terms({_folded(word) for word in topic_words}))


def topic_words(texts: Mapping[str, Iterable[str]], names: Iterable[str] = ()) -> frozenset[str]:
    """Words that tell the topic of one of the brands, folded.

    A content word of `texts` (brand to its texts) is topic unless every brand uses it and no brand
    uses it `TOPIC_RATIO` times as often as another. Rates are document frequencies, smoothed by
    half a text. The *rarest* user is compared with the most frequent, not the second: two coffee
    brands and a skin care brand would otherwise keep `coffee`. With few or small brands this
    errs on the side of masking: a word seen once, in one brand, is always topic.

    Every word of `names` (brand, product, attribute values) is topic too. Function words never are.
    """
    counts = {brand: _document_frequencies(own) for brand, own in texts.items()}
    found = {
        term
        for term in set().union(*(count for count, _ in counts.values()))
        if _is_topic([(count[term], total) for count, total in counts.values()])
    }
    for name in names:
        found |= _terms(name)
        found |= {match[0] for match in _PIECE.finditer(name) if match["han"] and len(match[0]) > 1}
    return frozenset(found)


def _document_frequencies(texts: Iterable[str]) -> tuple[Counter[str], int]:
    rows = [_terms(text) for text in texts]
    return Counter(term for row in rows for term in row), len(rows)


def _is_topic(uses: Sequence[tuple[int, int]]) -> bool:
    rates = [(count + 0.5) / (total + 1) for count, total in uses]
    return min(count for count, _ in uses) == 0 or max(rates) >= TOPIC_RATIO * min(rates)


def _folded(word: str) -> str:
    return word.casefold().replace("’", "'")


def _split_clitic(word: str) -> tuple[str, str]:
    found = _CLITIC.search(word)
    return (word[: found.start()], found[0]) if found else (word, "")


def _is_function(word: str) -> bool:
    """Whether `word`, folded and perhaps with a clitic (`it's`, `we've`), is a function word."""
    return word in FUNCTION_WORDS or _split_clitic(word)[0] in FUNCTION_WORDS


@lru_cache(maxsize=4096)
def _terms(text: str) -> frozenset[str]:
    """Content words of a text, and symbols that stand for one (`%`, `£`): what may be topic."""
    found: set[str] = set()
    for match in _PIECE.finditer(text):
        if match["han"]:
            for run in _content_runs(match[0]):
                found |= {run[i : i + 2] for i in range(max(1, len(run) - 1))}
        elif match["symbol"]:
            found.add(match[0])
        elif match["word"] and not _is_function(word := _folded(match[0])):
            found.add(_split_clitic(word)[0])
    return frozenset(found)


def _content_runs(characters: str) -> Iterator[str]:
    run = ""
    for character in characters:
        if character not in FUNCTION_WORDS_ZH:
            run += character
        elif run:
            yield run
            run = ""
    if run:
        yield run


class _Terms:
    """A set of folded words to mask, and the lengths its Chinese ones have."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = frozenset(words)
        self.lengths = {len(word) for word in self.words if re.match(f"[{_UNSPACED}]", word)}


def _masked(text: str, topic: _Terms) -> str:
    def replace(match: re.Match[str]) -> str:
        if match["number"]:
            return "0"
        if match["han"]:
            return _masked_unspaced(match[0], topic)
        word = _folded(match[0])
        if word in topic.words:
            return PLACEHOLDER
        stem, clitic = _split_clitic(word)
        return PLACEHOLDER + clitic if clitic and stem in topic.words else match[0].replace("’", "'")

    return _PIECE.sub(replace, text)


def _masked_unspaced(characters: str, topic: _Terms) -> str:
    hidden = [False] * len(characters)
    for length in topic.lengths:
        for start in range(len(characters) - length + 1):
            if characters[start : start + length] in topic.words:
                hidden[start : start + length] = [True] * length
    shown = "".join(PLACEHOLDER if gone else c for c, gone in zip(characters, hidden, strict=True))
    return re.sub(f"{PLACEHOLDER}+", PLACEHOLDER, shown)


def _rhythm(text: str) -> tuple[list[float], float]:
    """Style figures of a masked text, and the logarithm of its length in words.

    All are rates, so that a headline and a page are comparable; `_Features` then takes out what
    length alone predicts. Length itself is no feature: the field decides it, not the brand.
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
        float(bool(re.search(r"[.。!！?？…]\W*$", text))),
    ]
    return figures, log(words)


def _count(marks: Counter[str], characters: str) -> int:
    return sum(marks[character] for character in characters)


class _Features:
    """Turns texts into one sparse matrix: character n-grams, word n-grams, rhythm.

    Each block of a row has unit length (rhythm: unit length on average), so none drowns the others and
    a long text weighs no more than a headline.
    """

    def __init__(self, masked: bool, style: bool) -> None:
        self.masked, self.style = masked, style
        self.topic: frozenset[str] = frozenset()
        self.kept: frozenset[str] = frozenset()

    def fit(self, texts: Sequence[VoiceText], names: Iterable[str]) -> _Features:
        """Learn topic words, vocabulary and what length predicts of rhythm."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        if self.masked:
            by_brand: dict[str, list[str]] = {}
            for row in texts:
                by_brand.setdefault(row.brand, []).append(row.text)
            self.topic = topic_words(by_brand, names)
            self.kept = frozenset().union(*(_terms(row.text) for row in texts)) - self.topic
        shown = [self.mask(row.text) for row in texts]
        shared = {"min_df": 2, "sublinear_tf": True, "lowercase": False}
        self.characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), **shared)
        self.words = TfidfVectorizer(
            tokenizer=_TOKEN.findall, token_pattern=None, ngram_range=(1, 2), **shared
        )
        self.characters.fit(shown)
        self.words.fit(shown)
        if self.style:
            self._fit_rhythm(shown)
        return self

    def mask(self, text: str) -> str:
        """Mask topic words and words never seen in training."""
        return _masked(text, _Terms(_terms(text) - self.kept if self.masked else ()))

    def transform(self, texts: Iterable[str]) -> Any:
        """Rows of features, as a SciPy sparse matrix."""
        from scipy.sparse import csr_matrix, hstack

        shown = [self.mask(text) for text in texts]
        blocks = [self.characters.transform(shown), self.words.transform(shown)]
        if self.style:
            blocks.append(csr_matrix(self._rhythm(shown)))
        return hstack(blocks, format="csr")

    def _fit_rhythm(self, shown: Sequence[str]) -> None:
        import numpy as np

        figures, lengths = _rhythm_rows(shown)
        self.by_length = np.linalg.lstsq(lengths, figures, rcond=None)[0]
        self.scale = (figures - lengths @ self.by_length).std(axis=0)
        self.scale[self.scale < 1e-9] = 1.0

    def _rhythm(self, shown: Sequence[str]) -> Floats:
        figures, lengths = _rhythm_rows(shown)
        standard = (figures - lengths @ self.by_length) / self.scale
        rows: Floats = standard.clip(-3, 3) / sqrt(standard.shape[1])
        return rows


def _rhythm_rows(shown: Sequence[str]) -> tuple[Floats, Floats]:
    """Figures [texts, figures] and the powers 0, 1, 2 of log length [texts, 3]."""
    import numpy as np

    rows = [_rhythm(text) for text in shown]
    length = np.array([length for _, length in rows])
    return np.array([figures for figures, _ in rows]), np.vander(length, 3)


@dataclass(frozen=True)
class VoiceClassifier:
    """Names the brand of a text by its style. Make one with `VoiceClassifier.fit`."""

    brands: tuple[str, ...]
    heldout_accuracy: HeldOutAccuracy
    temperature: float
    _features: _Features = field(repr=False)
    _model: Any = field(repr=False)

    @classmethod
    def fit(
        cls,
        texts: Sequence[VoiceText],
        names: Iterable[str] = (),
        seed: int = 13,
        *,
        masked: bool = True,
        style: bool = True,
    ) -> VoiceClassifier:
        """Learn to tell the brands of `texts` apart, and measure how well on groups held out in turn.

        Topic words, vocabulary and model are learned anew in every fold, from its training side only.
        The probabilities are tempered on the held-out answers, which moves no verdict.

        Args:
            texts: real texts of two or more brands.
            names: brand, product and attribute strings, masked wherever they occur.
            seed: of the folds and the bootstrap.
            masked: False leaves topic in. For comparison only.
            style: False leaves the rhythm figures out. For comparison only.

        Raises:
            DataError: fewer than two brands, or brands with too few texts or groups (all at once).
        """
        _require_enough(texts)
        words = tuple(names)
        brands = tuple(sorted({row.brand for row in texts}))
        truth = _codes(texts, brands)
        folds = _folds(texts, truth, seed)
        logits = _held_out_logits(texts, truth, folds, words, (masked, style))
        features = _Features(masked, style).fit(texts, words)
        model = _learned(features, texts, truth)
        accuracy = _accuracy(texts, truth, logits.argmax(axis=1), brands, seed, len(folds))
        return cls(brands, accuracy, _temperature(logits, truth), features, model)

    @property
    def topic_words(self) -> frozenset[str]:
        """Words this classifier masks, besides all it has never seen."""
        return self._features.topic

    def mask(self, text: str) -> str:
        """What this classifier sees of a text."""
        return self._features.mask(text)

    def predict(self, texts: Iterable[str]) -> list[VoiceVerdict]:
        """Name the brand of each text."""
        rows = list(texts)
        if not rows:
            return []
        logits = self._model.predict_log_proba(self._features.transform(rows))
        return [self._verdict(row) for row in _softmax(logits / self.temperature)]

    def score(self, texts: Iterable[str], brand: str) -> VoiceScore:
        """Count the texts that are named `brand`.

        Raises:
            DataError: an unknown brand, or no texts.
        """
        if brand not in self.brands:
            raise DataError(
                Problem(f'the voice score knows no brand "{brand}"', allowed=nearest(brand, self.brands))
            )
        verdicts = self.predict(texts)
        if not verdicts:
            raise DataError(Problem("no texts to score", fix="write at least one text for the brand"))
        right = sum(verdict.brand == brand for verdict in verdicts)
        return VoiceScore(right, len(verdicts), wilson(right, len(verdicts)))

    def _verdict(self, row: Floats) -> VoiceVerdict:
        best = int(row.argmax())
        shares = dict(zip(self.brands, (float(share) for share in row), strict=True))
        return VoiceVerdict(self.brands[best], shares[self.brands[best]], shares)


def _require_enough(texts: Sequence[VoiceText]) -> None:
    rows = Counter(row.brand for row in texts)
    if len(rows) < 2:
        raise DataError(
            Problem(
                "a voice is told apart from others: two brands are needed",
                got=", ".join(sorted(rows)) or "no texts",
                fix="add the texts of a second brand, or of public texts in the same language",
            )
        )
    groups = Counter(brand for brand, _ in {(row.brand, row.group) for row in texts})
    problems = [
        Problem(
            f'too few texts of "{brand}" for a voice score',
            got=f"{count} texts in {groups[brand]} groups",
            allowed=f"at least {MINIMUM_TEXTS} texts in {MINIMUM_GROUPS} groups",
            fix="add texts of more products, or leave the brand out",
        )
        for brand, count in sorted(rows.items())
        if count < MINIMUM_TEXTS or groups[brand] < MINIMUM_GROUPS
    ]
    if problems:
        raise DataError(problems)


def _codes(texts: Sequence[VoiceText], brands: Sequence[str]) -> Integers:
    import numpy as np

    return np.array([brands.index(row.brand) for row in texts], dtype=np.int64)


def _folds(texts: Sequence[VoiceText], truth: Integers, seed: int) -> list[tuple[Integers, Integers]]:
    """Training and held-out rows of each fold: groups whole, every brand spread over all folds.

    Large groups first, each goes where its brands have the smallest share so far. While brands share no
    groups, each has texts in every fold; scikit-learn's StratifiedGroupKFold does not promise that.
    """
    import numpy as np

    codes = {group: code for code, group in enumerate(sorted({row.group for row in texts}))}
    member = np.array([codes[row.group] for row in texts])
    table = np.zeros((len(codes), int(truth.max()) + 1))
    np.add.at(table, (member, truth), 1)
    shares = np.zeros((min(FOLDS, int((table > 0).sum(axis=0).min())), table.shape[1]))
    fold_of = np.zeros(len(codes), dtype=np.int64)
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    for group in sorted(shuffled, key=lambda code: -table[code].sum()):
        present = table[group] > 0
        fold_of[group] = (shares[:, present].sum(axis=1) + 1e-6 * shares.sum(axis=1)).argmin()
        shares[fold_of[group]] += table[group] / table.sum(axis=0)
    if (shares.max(axis=0) > 1 - 1e-9).any():
        raise DataError(
            Problem(
                "groups shared by brands cannot be split so that every brand keeps texts to learn from",
                got=f"{len(codes)} groups",
                fix="use finer groups, or groups of one brand only",
            )
        )
    side = fold_of[member]
    return [(np.flatnonzero(side != fold), np.flatnonzero(side == fold)) for fold in range(len(shares))]


def _learned(features: _Features, texts: Sequence[VoiceText], truth: Integers) -> Any:
    """A logistic regression, fitted on one thread: same result on every machine, and small as it
    is, faster than on many.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    model = LogisticRegression(C=3.0, class_weight="balanced", max_iter=1000)
    with threadpool_limits(limits=1):
        return model.fit(features.transform(row.text for row in texts), truth)


def _held_out_logits(
    texts: Sequence[VoiceText],
    truth: Integers,
    folds: Sequence[tuple[Integers, Integers]],
    names: Iterable[str],
    flags: tuple[bool, bool],
) -> Floats:
    """Log probabilities [texts, brands], each row from a model that did not see its group."""
    import numpy as np

    logits = np.zeros((len(texts), int(truth.max()) + 1))
    for train, test in folds:
        rows = [texts[i] for i in train]
        features = _Features(*flags).fit(rows, names)
        model = _learned(features, rows, truth[train])
        logits[test] = model.predict_log_proba(features.transform(texts[i].text for i in test))
    return logits


def _softmax(logits: Floats) -> Floats:
    import numpy as np

    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _temperature(logits: Floats, truth: Integers) -> float:
    """The divisor of the logits with the least log loss, every brand weighing the same (Guo et al. 2017)."""
    import numpy as np

    weights = (1 / np.bincount(truth))[truth]
    rows = np.arange(len(truth))
    candidates = np.geomspace(0.1, 10, 201)
    losses = [-(weights * np.log(_softmax(logits / t)[rows, truth] + 1e-12)).sum() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def _accuracy(
    texts: Sequence[VoiceText], truth: Integers, named: Integers, brands: Sequence[str], seed: int, folds: int
) -> HeldOutAccuracy:
    """Accuracy and its interval: groups are drawn with replacement, `RESAMPLES` times."""
    import numpy as np

    codes = {group: code for code, group in enumerate(sorted({row.group for row in texts}))}
    member = np.array([codes[row.group] for row in texts])
    right, total = np.zeros((2, len(codes), len(brands)))
    np.add.at(right, (member, truth), named == truth)
    np.add.at(total, (member, truth), 1)
    draws = np.random.default_rng(seed).multinomial(len(codes), [1 / len(codes)] * len(codes), RESAMPLES)
    draws = np.vstack([np.ones(len(codes)), draws])
    rights, totals = draws @ right, draws @ total
    shares = np.divide(rights, totals, out=np.full_like(rights, np.nan), where=totals > 0)
    overall, macro = rights.sum(axis=1) / totals.sum(axis=1), np.nanmean(shares, axis=1)
    return HeldOutAccuracy(
        float(overall[0]),
        _middle_95(overall[1:]),
        float(macro[0]),
        _middle_95(macro[1:]),
        dict(zip(brands, (float(share) for share in shares[0]), strict=True)),
        len(texts),
        folds,
    )


def _middle_95(values: Floats) -> tuple[float, float]:
    import numpy as np

    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


FIGURES = {"voice": Figure("sounds like the brand", "share", "more")}


def count(texts: Sequence[Written]) -> Iterator[Mapping[str, Counts]]:
    """1 for a text that is named as its brand's, where a classifier was asked."""
    for written in texts:
        named = written.sounds_like
        yield {} if named is None else {"voice": (float(named == written.brand), 1.0)}
