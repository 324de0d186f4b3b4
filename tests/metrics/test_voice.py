import json
import random
import subprocess
import sys

import pytest

from lora_marketing.common.errors import DataError
from lora_marketing.metrics._topic import PLACEHOLDER, terms
from lora_marketing.metrics.voice import VoiceClassifier, VoiceText
from tests.making import BRANDS


def _read(brand: str) -> tuple[list[VoiceText], list[str]]:
    lines = (BRANDS / brand / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    names = [brand, *(row["product"] for row in rows)]
    names += [value for row in rows for value in row["attributes"].values()]
    return [VoiceText(brand, row["text"], f"{brand}/{row['product']}") for row in rows], names


EMBER, EMBER_NAMES = _read("ember")
LUMEN, LUMEN_NAMES = _read("lumen")
TEXTS, NAMES = EMBER + LUMEN, EMBER_NAMES + LUMEN_NAMES


@pytest.fixture(scope="module")
def classifier() -> VoiceClassifier:
    return VoiceClassifier.fit(TEXTS, NAMES, seed=13)


@pytest.mark.thorough
def test_real_topic_words_are_found(classifier: VoiceClassifier) -> None:
    assert {"coffee", "grams", "serum", "skin", "ember", "lumen", "espresso"} <= classifier.topic_words
    assert classifier.topic_words.isdisjoint({"you", "we", "and", "so", "it"})


def test_brands_are_told_apart_without_their_topic(classifier: VoiceClassifier) -> None:
    held_out = classifier.heldout_accuracy
    assert held_out.accuracy >= 0.9
    assert held_out.macro >= 0.9
    assert held_out.interval[0] <= held_out.accuracy <= held_out.interval[1]
    assert held_out.interval[0] > 0.85
    assert held_out.n == len(TEXTS)
    assert held_out.folds == 5
    assert set(held_out.by_brand) == {"ember", "lumen"}


def test_short_texts_of_equal_length_are_told_apart() -> None:
    def shorter(rows: list[VoiceText]) -> list[VoiceText]:
        cut = [VoiceText(row.brand, " ".join(row.text.split()[:8]), row.group) for row in rows]
        return [row for row in cut if len(row.text.split()) == 8]

    held_out = VoiceClassifier.fit(shorter(EMBER) + shorter(LUMEN), NAMES).heldout_accuracy
    assert held_out.macro >= 0.8


@pytest.mark.thorough
def test_shuffled_labels_are_a_coin_toss() -> None:
    half = TEXTS[::2]
    brands = [row.brand for row in half]
    random.Random(5).shuffle(brands)
    shuffled = [VoiceText(brand, row.text, row.group) for brand, row in zip(brands, half, strict=True)]
    held_out = VoiceClassifier.fit(shuffled, NAMES).heldout_accuracy
    assert held_out.macro == pytest.approx(0.5, abs=0.1)


def _topic_alone() -> list[VoiceText]:
    """Sentences of either brand at random, gaps filled with topic words of the brand they are said to be."""
    draw = random.Random(7)
    whole = VoiceClassifier.fit(TEXTS, NAMES)
    said = {brand: " ".join(row.text for row in TEXTS if row.brand == brand) for brand in ("ember", "lumen")}
    words = {brand: sorted(terms(text) & whole.topic_words) for brand, text in said.items()}
    frames = [whole.mask(row.text).split(PLACEHOLDER) for row in TEXTS]
    found = []
    for number, row in enumerate(TEXTS):
        first, *rest = draw.choice(frames)
        text = first + "".join(draw.choice(words[row.brand]) + part for part in rest)
        found.append(VoiceText(row.brand, text, f"{row.brand} {number % 7}"))
    return found


@pytest.mark.thorough
def test_topic_alone_is_a_coin_toss() -> None:
    texts = _topic_alone()
    assert VoiceClassifier.fit(texts, NAMES, masked=False).heldout_accuracy.macro >= 0.8
    assert VoiceClassifier.fit(texts, NAMES).heldout_accuracy.macro == pytest.approx(0.5, abs=0.1)


def test_no_text_shows_a_name(classifier: VoiceClassifier) -> None:
    names = frozenset().union(*(terms(name) for name in NAMES))
    assert {"ember", "lumen"} <= names
    for row in TEXTS:
        seen = {word.casefold() for word in classifier.shape(row.text)}
        assert names.isdisjoint(terms(classifier.mask(row.text)) | seen)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("You want coffee. Coffee takes 28 seconds.", "You want serum. Serum takes 28 seconds."),
        ("We leave the coffee by the window, and wait.", "We leave the serum by the window, and wait."),
        ("Your usual espresso. Ground.", "Your usual retinol. Ground."),
        ("It's a tea, like any other.", "It's a toner, like any other."),
    ],
)
def test_a_topic_word_moves_nothing(classifier: VoiceClassifier, one: str, other: str) -> None:
    first, second = classifier.predict([one, other])
    assert first == second
    assert classifier.mask(one) == classifier.mask(other)
    assert classifier.shape(one) == classifier.shape(other)


def test_unseen_content_words_are_masked(classifier: VoiceClassifier) -> None:
    assert classifier.mask("The zeppelin and the mothership") == f"The {PLACEHOLDER} and the {PLACEHOLDER}"


def test_style_moves_the_verdict(classifier: VoiceClassifier) -> None:
    short = "You want a serum. It's 30 ml. You won't notice. Nobody will."
    long = (
        "We like to think of coffee as something slow, and quiet, and near the window, "
        "so that you may take it up whenever you wish, and put it down again as softly as you please"
    )
    verdicts = classifier.predict([short, long])
    assert [verdict.brand for verdict in verdicts] == ["ember", "lumen"]
    for verdict in verdicts:
        assert verdict.probability == max(verdict.probabilities.values()) > 0.5
        assert sum(verdict.probabilities.values()) == pytest.approx(1)


def test_same_seed_same_answers() -> None:
    some, sample = TEXTS[::4], [row.text for row in TEXTS[1::20]]
    one, again = (VoiceClassifier.fit(some, NAMES, seed=13) for _ in range(2))
    assert again.heldout_accuracy == one.heldout_accuracy
    assert again.predict(sample) == one.predict(sample)


def test_score_counts_and_bounds(classifier: VoiceClassifier) -> None:
    own = classifier.score([row.text for row in EMBER[:20]], "ember")
    assert (own.n, own.share) == (20, own.named_right / 20)
    assert own.named_right >= 18
    low, high = own.interval
    assert 0.6 < low <= own.share <= high <= 1
    theirs = classifier.score([row.text for row in LUMEN[:20]], "ember")
    assert theirs.named_right <= 2


@pytest.mark.thorough
def test_mixed_languages() -> None:
    shanyu, shanyu_names = _read("shanyu")
    three = VoiceClassifier.fit(TEXTS[::2] + shanyu[::2], [*NAMES, *shanyu_names, "山屿"])
    assert three.heldout_accuracy.macro >= 0.9
    assert three.predict(["天亮再走，不急。", ""])[0].brand == "shanyu"
    assert three.predict([]) == []


def test_one_brand_is_an_error() -> None:
    with pytest.raises(DataError, match=r"two brands are needed\n    got: ember\n    fix: add the texts"):
        VoiceClassifier.fit(EMBER, NAMES)


def test_too_few_texts_are_all_told_at_once() -> None:
    few = EMBER[:4] + [VoiceText("lumen", row.text, "one product") for row in LUMEN]
    with pytest.raises(DataError) as caught:
        VoiceClassifier.fit(few, NAMES)
    assert len(caught.value.problems) == 2
    assert all(problem.fix for problem in caught.value.problems)
    assert "175 texts in 1 groups" in str(caught.value)


def test_shared_groups_that_cannot_be_split_are_an_error() -> None:
    sizes = {("a", "a"): 98, ("b", "b"): 98, ("c", "c"): 90}
    sizes |= {(brand, group): 5 if brand == "c" else 1 for brand in "abc" for group in ("x", "y")}
    texts = [VoiceText(brand, "So be it.", group) for (brand, group), n in sizes.items() for _ in range(n)]
    with pytest.raises(DataError, match=r"shared by brands.*\n.*\n    fix: use finer groups"):
        VoiceClassifier.fit(texts)


@pytest.mark.thorough
def test_groups_shared_by_brands_are_split_whole() -> None:
    shared = [VoiceText(row.brand, row.text, f"page {i % 7}") for i, row in enumerate(TEXTS)]
    assert VoiceClassifier.fit(shared[::3], NAMES).heldout_accuracy.macro >= 0.9


def test_score_errors(classifier: VoiceClassifier) -> None:
    with pytest.raises(DataError, match='did you mean "ember"'):
        classifier.score(["text"], "embr")
    with pytest.raises(DataError, match="no texts to score"):
        classifier.score([], "ember")


def test_importing_loads_no_sklearn() -> None:
    code = (
        "import sys, lora_marketing.metrics.voice; print('sklearn' in sys.modules or 'numpy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
