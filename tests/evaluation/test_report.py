"""The report is one whole page: nothing comes from outside, and no text becomes markup."""

from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.evaluation import ScoringOptions, compare_writers, evaluate
from lora_marketing.evaluation.document import Preference
from lora_marketing.evaluation.report import rendered, stretches, write_report
from lora_marketing.guards import Finding
from tests.evaluation.making import copy, examples, many_copies, recipes
from tests.making import property_test

pytestmark = pytest.mark.thorough

EVIL = '<script>alert("1")</script> & <img src=x onerror=alert(1)>'
VOID = {"meta", "input", "br", "line", "circle", "link", "img"}


class Page(HTMLParser):
    """Elements in order, with a complaint where they do not close as they opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


@pytest.fixture(scope="module")
def html() -> str:
    loaded = recipes()
    copies = many_copies(48)
    first = next(one for one in copies if one.brand == "ember")
    copies.append(first.model_copy(update={"text": EVIL + " guaranteed, " * 30, "variant": 7}))
    references = [row for one in loaded for row in examples(one)]
    found = evaluate(copies, references, loaded, ScoringOptions(today=date(2026, 11, 1), resamples=100))
    liked = Preference(
        brand="ember",
        writer="ember/espresso",
        against="base",
        judge="j<b>",
        won=3,
        lost=1,
        tied=2,
        agreement=0.5,
    )
    update = {"comparisons": compare_writers(found, "base"), "preferences": [liked], "notes": [EVIL]}
    return rendered(found.model_copy(update=update))


@pytest.mark.thorough
def test_it_is_whole_and_asks_nothing_of_the_network(html: str) -> None:
    page = Page(html)
    for tag, attributes in page.tags:
        assert tag not in ("img", "iframe", "object", "embed", "link", "image")
        assert not attributes.keys() & {"src", "href", "xlink:href", "action"}
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html


@pytest.mark.thorough
def test_texts_are_data(html: str) -> None:
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert 'alert("1")' not in html
    assert "alert(1)" in "".join(page.words)
    assert "onerror" not in {name for _, attributes in page.tags for name in attributes}


def test_every_text_and_the_held_out_accuracy_are_in_it(html: str) -> None:
    said = " ".join("".join(Page(html).words).split())
    for one in many_copies(48):
        assert " ".join(one.text.split()) in said
    assert re.search(r"names \d+\.\d % of \d+ held-out real texts right", said)
    assert "classifier on real texts" in said
    assert "written by a person" in said
    assert "prefers-color-scheme: dark" in html


def test_pictures_say_their_numbers_to_a_screen_reader(html: str) -> None:
    pictures = [attributes for tag, attributes in Page(html).tags if tag == "svg"]
    assert len(pictures) > 10
    assert all(re.search(r"\d", picture["aria-label"] or "") for picture in pictures)


def finding(span: tuple[int, int] | None, severity: str = "fix") -> Finding:
    return Finding.model_validate({"rule": "a.b", "severity": severity, "message": "no", "span": span})


def test_overlapping_findings_are_told_together() -> None:
    cut = stretches("0123456789", [finding((2, 6)), finding((4, 8), "block"), finding(None)])
    assert [(part.text, part.severity) for part in cut] == [
        ("01", None),
        ("23", "fix"),
        ("45", "block"),
        ("67", "block"),
        ("89", None),
    ]
    assert cut[2].message.count("a.b") == 2


@property_test
@given(st.text(), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_no_letter_is_lost_or_said_twice(text: str, spans: list[tuple[int, int]]) -> None:
    cut = stretches(text, [finding((min(span), max(span))) for span in spans])
    assert "".join(part.text for part in cut) == text


def test_it_is_written(tmp_path: Path) -> None:
    found = evaluate(
        [copy("山里", "shanyu")],
        [],
        recipes()[2:],
        ScoringOptions(metrics=["length"], today=date(2026, 11, 1)),
    )
    write_report(tmp_path / "report.html", found)
    assert "山里" in (tmp_path / "report.html").read_text(encoding="utf-8")
