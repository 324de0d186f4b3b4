"""No text freezes a reader: what takes its time takes twice as long for a text twice as long.

Processor time is measured, since most of the work is done in regular expressions and libraries.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from time import process_time

import pytest

from lora_marketing.brands.brand import Brief
from lora_marketing.brands.claims import Claim
from lora_marketing.copy.mending import mend
from lora_marketing.copy.ranking import faithfulness
from lora_marketing.guards import Case, findings, guard_names, load_guard
from lora_marketing.metrics import MeasuredText, load_metric, metric_names
from lora_marketing.text import normalise, spelling, values, words
from lora_marketing.text.known_texts import KnownTexts
from tests.guards.making import TODAY, brand
from tests.hostile.shapes import mixture, shapes

LATE = 0.3 / 1000
"""Seconds for a character, of one reader: a hundred times what most take, a tenth of what a square takes."""
BY_LANGUAGE = ("claims", "language", "personal_data", "terms")
"""Guards that read a Chinese brand's texts in another way."""


def _case(locale: str) -> Case:
    """A brand with something for every guard to look for."""
    claim = Claim(id="kind", says=["kind to skin"], evidence="a test", disclaimer="Patch test first.")
    own = brand(
        locale=locale,
        banned_terms=["miracle", "C++", "perfect skin", "神皂"],
        competitors=["Fjordsuds", "竞品皂"],
        required_terms=["cedar"],
        facts=["Every bar weighs 90 g."],
    ).model_copy(update={"claims": [claim]})
    asked = {"colour": "red", "weight": "90 g", "vegan": "yes"}
    brief = Brief(product="Bar", channel="sms", field="text", attributes=asked)
    known = KnownTexts.of(["one two three four five six seven eight nine ten"])
    return Case(brief, own, False, TODAY, known, ("Ember", "Lumen Audio", "余烬"))


EN, ZH = _case("en-GB"), _case("zh-CN")


def _measured(metric: str) -> Callable[[str], object]:
    def count(text: str) -> object:
        told = ["Cut by hand and cured for six weeks."]
        known = {"colour": ["red", "blue"]}
        written = MeasuredText(text, EN.brief, "fjord", "en", references=told, known=known, facts=told)
        other = MeasuredText("It floats.", EN.brief, "fjord", "en")
        return list(load_metric(metric).count([written, other]))

    return count


def _readers() -> Iterator[tuple[str, Callable[[str], object]]]:
    """Everything that reads a text which somebody else wrote, by name."""
    for name in guard_names():
        for case in (EN, ZH) if name in BY_LANGUAGE else (EN,):
            find = load_guard(name).find
            yield f"{name} {case.brand.locale}", lambda text, find=find, case=case: list(find(text, case))
    for name in metric_names():
        yield f"metric {name}", _measured(name)
    for case in (EN, ZH):
        yield f"mend {case.brand.locale}", lambda text, case=case: mend(text, case.brand, cut=True)
    yield "finder", lambda text: spelling.Finder(["miracle", "C++"]).find(text)
    yield "safe_prefix_length", EN.brand.safe_prefix_length
    yield "first_forbidden", lambda text: EN.brand.first_forbidden(text, True)
    yield "things_of", values.things_of
    yield "measured", lambda text: values.measured(text, EN.brand.facts)
    yield "faithfulness", lambda text: faithfulness(text, EN.brief)


READERS = dict(_readers())


def _seconds(read: Callable[[str], object], text: str) -> float:
    """Processor time of one reading, with nothing remembered of the text."""
    for remembered in (values.read, values.things_of, words.words, spelling.readings, normalise.readings):
        remembered.cache_clear()
    start = process_time()
    read(text)
    return process_time() - start


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("short", "long", "most"), [(1_000, 8_000, 2), pytest.param(2_500, 20_000, 8, marks=pytest.mark.thorough)]
)
@pytest.mark.parametrize("reader", READERS)
def test_twice_the_text_takes_twice_the_time(reader: str, short: int, long: int, most: int) -> None:
    """Of the shapes that take longest where they are short, so many are doubled."""
    read = READERS[reader]
    read("One text of 12 words, 国 and +44 20 7946 0958 on a.com, to load what is loaded once.")
    gc.collect()
    seconds = {name: _seconds(read, text) for name, text in shapes(short)}
    assert max(seconds.values()) < short * LATE
    longer, twice = (dict(shapes(size)) for size in (long, 2 * long))
    for name in sorted(seconds, key=lambda name: -seconds[name])[:most]:
        once = _seconds(read, longer[name])
        assert once < long * LATE, name
        late = (_seconds(read, twice[name]) > 3.2 * once + 0.25 for _ in range(3))
        assert not all(late), name


@pytest.mark.thorough
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_all_guards_read_twenty_kilobytes_in_two_seconds(locale: str) -> None:
    case = EN if locale == "en-GB" else ZH
    seeds = range(10)
    texts = {f"mixture {seed}": mixture(seed, 20_000) for seed in seeds}
    texts |= dict(shapes(20_000)) if case is EN else {}
    texts = {name: text.encode()[:20_000].decode(errors="ignore") for name, text in texts.items()}
    findings("to load what is loaded once: 国, +44 20 7946 0958, a.com", case)
    seconds = {name: _seconds(lambda text: findings(text, case), text) for name, text in texts.items()}
    late = {name: taken for name, taken in seconds.items() if taken >= 2}
    assert not late
