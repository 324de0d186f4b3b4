"""Topic words: finds the words that show what a text is about, and masks them.

Topic is found without labels (see `topic_words`), by text distortion (Stamatatos, EACL 2017) that also keeps
words which all brands share. Only two kinds of words stay visible:

1. function words, a closed class listed below. They carry grammar, person and tone, not subject;
2. content words that *every* brand of their script uses, none more than `TOPIC_RATIO` times as often
   as another (document frequency). They tell little of the topic, whatever they mean.

Every other word becomes a placeholder: words of names, words that one brand prefers, and words never
seen in training, so that character n-grams of a new product's vocabulary give nothing away.

Numbers become `0`, so that the use of numbers stays visible. Chinese and kana have no word breaks: there a
word is a pair of neighbouring content characters, and a run of masked characters is one placeholder.
Other languages have no list of function words here; their common words stay visible by the second rule.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lora_marketing.text.scripts import UNSPACED, unspaced

PLACEHOLDER = "□"
"""Stands for any masked word, whatever its length."""

PLACEHOLDER_UNSPACED = "▢"
"""Stands for masked characters of a script without word breaks, in the shape of a text."""

TOPIC_RATIO = 2.0
"""A content word is topic if one brand uses it this many times as often as another."""

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
        "instead thus hence therefore otherwise anyway indeed well away back ago yes please "
    ),
    "verbs of facilitation or causation (Biber et al. 1999, 5.2)": (
        "allow allows allowed allowing cause causes caused causing enable enables enabled enabling "
        "force forces forced forcing help helps helped helping lets letting "
        "permit permits permitted permitting require requires required requiring "
    ),
    "the commonest verbs of English in all registers (the same)": (
        "say says said saying get gets got getting go goes went gone going know knows knew known knowing "
        "think thinks thought thinking see sees saw seen seeing make makes made making "
        "come comes came coming take takes took taken taking want wants wanted wanting "
        "give gives gave given giving mean means meant meaning"
    ),
}
"""English function words by closed class, and the verbs that are nearly as empty of subject."""

FUNCTION_WORDS = frozenset(word for words in FUNCTION_WORD_CLASSES.values() for word in words.split())
"""All English function words."""

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
"""Chinese function characters, without those that are as often part of a content word (上 里 地 会)."""

_PIECE = re.compile(
    rf"(?P<number>\d+(?:[.,:]\d+)*)|(?P<han>[{UNSPACED}]+)"
    rf"|(?P<word>(?:(?![{UNSPACED}])[^\W\d_])+(?:['’](?:(?![{UNSPACED}])[^\W\d_])+)*)"
    r"|(?P<symbol>[%‰°℃℉£$€¥₹₽&+×±])"
)
_SHAPED = re.compile(
    rf"{_PIECE.pattern}|(?P<end>(?:(?<![.!?…])[.!?…]++(?=\s|$)|[。！？]+)\n*|\n+)|(?P<mark>[^\w\s])"
)
_CLITIC = re.compile(r"(?<=[^\W\d_])['’](?:s|ll|re|ve|d|m|t)$", re.IGNORECASE)
_CAPITAL = f"{PLACEHOLDER}A"
_INFLECTION = re.compile(r"(?<=..)(?:ing|ed|ly|(?<!s)s)$")


def mask(text: str, topic_words: Iterable[str]) -> str:
    """Replace topic words by `PLACEHOLDER` and numbers by `0`.

    Latin words match whole, whatever their case, and with a clitic (`Ember's` becomes `□'s`).
    Chinese ones match anywhere; characters masked side by side become one placeholder.

    >>> mask("Ember roasts 250 g. It's strong.", {"ember", "roasts", "g"})
    "□ □ 0 □. It's strong."
    """
    return masked(text, Terms({_folded(word) for word in topic_words}))


def topic_words(texts: Mapping[str, Iterable[str]], names: Iterable[str] = ()) -> frozenset[str]:
    """Find the words that show the topic of one of the brands, in lower case.

    A content word of `texts` (brand to its texts) is topic unless every brand uses it and no brand
    uses it `TOPIC_RATIO` times as often as another. Rates are document frequencies, smoothed by
    half a text. The *rarest* user is compared with the most frequent, not the second: two coffee
    brands and a skin care brand would otherwise keep `coffee`. With few or small brands this
    errs on the side of masking: a word seen once, in one brand, is always topic.

    A word is compared among brands that write its script only: that no Chinese brand uses an English word
    says nothing about topic. A word of a script that fewer than two brands write is topic.

    Every word of `names` (brand, product, attribute values) is topic too. Function words never are.
    """
    brands = [_WordUsage.of(own) for own in texts.values()]
    found = {
        term
        for term in set().union(*(brand.counts for brand in brands))
        if _is_topic([brand for brand in brands if brand.unspaced == unspaced(term)], term)
    }
    for name in names:
        found |= terms(name)
        found |= {match[0] for match in _PIECE.finditer(name) if match["han"] and len(match[0]) > 1}
    return frozenset(found)


@dataclass(frozen=True)
class _WordUsage:
    """Number of a brand's texts that hold each word, and whether most of them are in Chinese or Japanese."""

    counts: Counter[str]
    total: int
    unspaced: bool

    @classmethod
    def of(cls, texts: Iterable[str]) -> _WordUsage:
        rows = list(texts)
        counts = Counter(term for text in rows for term in terms(text))
        return cls(counts, len(rows), 2 * sum(unspaced(text) for text in rows) > len(rows))


def _is_topic(brands: Sequence[_WordUsage], term: str) -> bool:
    rates = [(brand.counts[term] + 0.5) / (brand.total + 1) for brand in brands]
    if len(brands) < 2 or not all(brand.counts[term] for brand in brands):
        return True
    return max(rates) >= TOPIC_RATIO * min(rates)


def _folded(word: str) -> str:
    return word.casefold().replace("’", "'")


def _split_clitic(word: str) -> tuple[str, str]:
    found = _CLITIC.search(word)
    return (word[: found.start()], found[0]) if found else (word, "")


def _is_function(word: str) -> bool:
    """Whether `word`, folded and perhaps with a clitic (`it's`, `we've`), is a function word."""
    return word in FUNCTION_WORDS or _split_clitic(word)[0] in FUNCTION_WORDS


@lru_cache(maxsize=4096)
def terms(text: str) -> frozenset[str]:
    """The words of a text that may be topic: content words, and symbols that stand for one (`%`, `£`)."""
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


class Terms:
    """The words to mask, in lower case, and the lengths in characters of the Chinese ones among them."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = frozenset(words)
        self.lengths = {len(word) for word in self.words if unspaced(word)}

    def split(self, word: str) -> tuple[str, str] | None:
        """The part of a word that is masked and the clitic that stays; None if nothing is masked."""
        folded = _folded(word)
        if folded in self.words:
            return word, ""
        stem, clitic = _split_clitic(folded)
        return (word[: len(stem)], clitic) if clitic and stem in self.words else None


def masked(text: str, topic: Terms) -> str:
    """Like `mask`, but takes the topic words as `Terms`, so that they are prepared once for many texts."""

    def replace(match: re.Match[str]) -> str:
        if match["number"]:
            return "0"
        if match["han"]:
            return _masked_unspaced(match[0], topic)
        hidden = topic.split(match[0])
        return PLACEHOLDER + hidden[1] if hidden else match[0].replace("’", "'")

    return _PIECE.sub(replace, text)


def _masked_unspaced(characters: str, topic: Terms) -> str:
    hidden = [False] * len(characters)
    for length in topic.lengths:
        for start in range(len(characters) - length + 1):
            if characters[start : start + length] in topic.words:
                hidden[start : start + length] = [True] * length
    shown = "".join(PLACEHOLDER if gone else c for c, gone in zip(characters, hidden, strict=True))
    return re.sub(f"{PLACEHOLDER}+", PLACEHOLDER, shown)


def shape(text: str, topic: Terms) -> Iterator[str]:
    """The words and punctuation of a text in order, with masked words reduced to case and ending.

    A masked word becomes `□a`, or `□A` if it has a capital, followed by its ending: `-s`, `-ing`, `-ed` or
    `-ly`. `|` separates sentences. No name may be recognised by its shape, so neighbouring masked words with
    capitals become one, and a word with a capital loses its ending unless it begins a sentence (`Manages`
    keeps it, `AWS` does not).

    >>> list(shape("Lets you roast 5 AMIs. Ember Filter's", Terms({"roast", "amis", "ember", "filter"})))
    ['|', 'Lets', 'you', '□a', '0', '□A', '.', '|', '□A', "'s", '|']
    """
    last = "|"
    yield last
    for match in _SHAPED.finditer(text):
        for token in _shape_of(match, topic, first=last == "|"):
            if not (token.startswith(_CAPITAL) and last.startswith(_CAPITAL)):
                yield token
            last = token
    if last != "|":
        yield "|"


def _shape_of(match: re.Match[str], topic: Terms, *, first: bool) -> Iterator[str]:
    if match["number"]:
        yield "0"
    elif match["han"]:
        yield from _masked_unspaced(match[0], topic).replace(PLACEHOLDER, PLACEHOLDER_UNSPACED)
    elif match["end"]:
        yield from (*match[0].strip()[:1], "|")
    elif hidden := topic.split(match[0]):
        stem, clitic = hidden
        lower = stem == stem.lower()
        inflection = _INFLECTION.search(stem) if lower or (first and stem[1:].islower()) else None
        yield (f"{PLACEHOLDER}a" if lower else _CAPITAL) + (f"-{inflection[0]}" if inflection else "")
        if clitic:
            yield clitic
    else:
        yield match[0].replace("’", "'")
