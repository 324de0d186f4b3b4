"""Voice score: the share of texts that a classifier of style takes for the brand they were written for.

The classifier learns from the brands' real texts and predicts the brand of a new one. Brands differ in
topic as well as in style, and topic is by far the easier cue: a coffee text is Ember's because it
says *coffee*. So topic words are masked first (`_topic.py`), and the rest is style (`_style.py`):
function words, punctuation, casing, inflection, sentence length, rhythm, person, and the content
words that every brand uses alike.

Masking also hides a brand's favourite words (`quid`, `linen`), so the score is a lower bound on how
recognisable a voice is, which is the safe side for a gate. Its effect: texts on two products of one brand
(Firefox and Mozilla VPN on mozilla.org: one voice, two topics) are told apart with a macro accuracy of .75
without masking and .55 with it; Ember and Lumen (two voices) with .99 either way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lora_marketing.common.errors import DataError, Problem, nearest
from lora_marketing.metrics import Counts, Figure, MeasuredText
from lora_marketing.metrics._intervals import wilson
from lora_marketing.metrics._style import Features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

MINIMUM_TEXTS = 10
"""The least number of texts that each brand must have."""

MINIMUM_GROUPS = 3
"""The least number of groups (products) that each brand must have, as groups are held out in turn."""

FOLDS = 5
RESAMPLES = 2000


@dataclass(frozen=True)
class VoiceText:
    """One real text of a brand. Texts of one `group` (a product, a page) are never split between folds."""

    brand: str
    text: str
    group: str


@dataclass(frozen=True)
class VoiceVerdict:
    """The predicted brand of one text, and the probability of each brand under a uniform prior."""

    brand: str
    probability: float
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class HeldOutAccuracy:
    """Accuracy of a voice classifier on held-out groups.

    `accuracy` is the share of all `n` texts whose brand is predicted right, `by_brand` that of each brand,
    and `macro` the mean over brands. Intervals are 95 % and resample whole groups, since texts on one product
    are not independent.
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
    """How many of `n` texts are predicted as their own brand, with a 95 % Wilson interval."""

    named_right: int
    n: int
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        """The share of texts that are predicted as their own brand."""
        return self.named_right / self.n


@dataclass(frozen=True)
class VoiceClassifier:
    """Predicts the brand of a text from its style. Make one with `VoiceClassifier.fit`."""

    brands: tuple[str, ...]
    heldout_accuracy: HeldOutAccuracy
    temperature: float
    _features: Features = field(repr=False)
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
        The probabilities are calibrated by temperature scaling on the held-out predictions (Guo et al. 2017),
        which changes no predicted brand.

        Args:
            texts: real texts of two or more brands.
            names: names of brands and products, and attribute values, which are always masked.
            seed: random seed of the folds and the bootstrap.
            masked: False masks nothing. For comparison only.
            style: False leaves shapes and rhythm out. For comparison only.

        Raises:
            DataError: there are fewer than two brands; brands have too few texts or groups (all named); or
                brands share groups in a way that allows no folds.
        """
        _require_enough(texts)
        words = tuple(names)
        brands = tuple(sorted({row.brand for row in texts}))
        truth = _codes(texts, brands)
        folds = _folds(texts, truth, seed)
        logits = _held_out_logits(texts, truth, folds, words, (masked, style))
        features, model = _fit_model(texts, truth, words, (masked, style))
        accuracy = _accuracy(texts, truth, logits.argmax(axis=1), brands, seed, len(folds))
        return cls(brands, accuracy, _temperature(logits, truth), features, model)

    @property
    def topic_words(self) -> frozenset[str]:
        """The topic words that are masked; words not seen in training are masked, too."""
        return self._features.topic

    def mask(self, text: str) -> str:
        """The text with its topic masked, as the classifier reads it."""
        return self._features.mask(text)

    def shape(self, text: str) -> list[str]:
        """The shape of the text as tokens; see `_topic.shape`."""
        return self._features.shape(text)

    def predict(self, texts: Iterable[str]) -> list[VoiceVerdict]:
        """Predict the brand of each text."""
        rows = list(texts)
        if not rows:
            return []
        logits = self._model.predict_log_proba(self._features.transform(rows))
        return [self._verdict(row) for row in _softmax(logits / self.temperature)]

    def score(self, texts: Iterable[str], brand: str) -> VoiceScore:
        """Count the texts that are predicted as `brand`.

        Raises:
            DataError: the classifier does not know the brand, or there are no texts.
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
    """Indices of the training and the held-out texts of each fold; no group is split between folds.

    Groups are placed from the largest to the smallest, each into the fold where its brands have the smallest
    share so far. While brands share no groups, each brand has texts in every fold; scikit-learn's
    StratifiedGroupKFold does not promise that.
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


def _fit_model(
    texts: Sequence[VoiceText], truth: Integers, names: Iterable[str], flags: tuple[bool, bool]
) -> tuple[Features, Any]:
    """Fit the features and a logistic regression on them.

    One thread is used: it gives the same result on every machine, and is faster for a model so small.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    features = Features(*flags)
    rows = features.fit_transform([row.text for row in texts], [row.brand for row in texts], names)
    model = LogisticRegression(C=3.0, class_weight="balanced", max_iter=1000)
    with threadpool_limits(limits=1):
        return features, model.fit(rows, truth)


def _held_out_logits(
    texts: Sequence[VoiceText],
    truth: Integers,
    folds: Sequence[tuple[Integers, Integers]],
    names: Iterable[str],
    flags: tuple[bool, bool],
) -> Floats:
    """Log probabilities [texts, brands], each row from a model that was not trained on its group."""
    import numpy as np

    logits = np.zeros((len(texts), int(truth.max()) + 1))
    for train, test in folds:
        features, model = _fit_model([texts[i] for i in train], truth[train], names, flags)
        logits[test] = model.predict_log_proba(features.transform(texts[i].text for i in test))
    return logits


def _softmax(logits: Floats) -> Floats:
    import numpy as np

    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _temperature(logits: Floats, truth: Integers) -> float:
    """The temperature (Guo et al. 2017) with the least log loss on `logits`, all brands weighted equally."""
    import numpy as np

    weights = (1 / np.bincount(truth))[truth]
    rows = np.arange(len(truth))
    candidates = np.geomspace(0.1, 10, 201)
    losses = [-(weights * np.log(_softmax(logits / t)[rows, truth] + 1e-12)).sum() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def _accuracy(
    texts: Sequence[VoiceText], truth: Integers, named: Integers, brands: Sequence[str], seed: int, folds: int
) -> HeldOutAccuracy:
    """Accuracy, with an interval from `RESAMPLES` bootstrap draws of whole groups."""
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


def count(texts: Sequence[MeasuredText]) -> Iterator[Mapping[str, Counts]]:
    """1 for a text that is predicted as its own brand, else 0; nothing without a classifier."""
    for written in texts:
        named = written.sounds_like
        yield {} if named is None else {"voice": (float(named == written.brand), 1.0)}
