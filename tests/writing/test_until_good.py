"""Write until good: what is tried, what is written again, what is taken, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.channels.structure import pieces, read_ad
from lora_marketing.copy.record import Copy
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.request import Request, RowOutput
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.writer import Writer
from lora_marketing.guards import Case, findings
from lora_marketing.text.known_texts import KnownTexts
from lora_marketing.writing.copywriter import CopyOrder, Voice
from lora_marketing.writing.until_good import BriefOutcome, Effort, write_until_good

CUT = " …cut"
"""At the end of a script's text: the model did not end it by itself."""


@dataclass
class Scripted:
    """Stands for a Writer: says what the script has for its next call, row by row."""

    base: LoadedBase
    script: list[list[str]]
    calls: list[list[Request]] = field(default_factory=list)

    def write(self, requests: Sequence[Request]) -> list[RowOutput]:
        self.calls.append(list(requests))
        texts = self.script.pop(0)
        assert len(texts) == len(requests), [self.base.decode(r.prompt)[-80:] for r in requests]
        return [
            RowOutput((1, 2, 3), text.removesuffix(CUT), "length" if text.endswith(CUT) else "stop")
            for text in texts
        ]


def voice(name: str = "tidal", **own: Any) -> Voice:
    known = {"schema": 1, "name": name, "display_name": name.title(), "locale": "en-GB", "guide": "g"}
    known |= {"lines": {"soap": "Bars."}, "banned_terms": ["miracle"]}
    # only what these tests are about, whatever other guards there are
    off = ("facts", "claims", "language", "repetition", "regurgitation", "cross_brand", "profanity")
    return Voice(Brand.model_validate({**known, "severities": dict.fromkeys(off, "off"), **own}), "soap")


SHORT = Brief(product="Bar", channel="sms", field="text")
RSA = Brief(product="Bar", channel="google_rsa", field="ad")
SAMPLING = Sampling(seed=13)


def write(writer: Any, orders: Sequence[CopyOrder], effort: Effort) -> list[BriefOutcome]:
    return write_until_good(writer, orders, SAMPLING, effort)


def ad(*headlines: str, descriptions: Sequence[str] = ("It floats in the bath.", "Sailors like it.")) -> str:
    return json.dumps({"headline": headlines, "description": descriptions}, ensure_ascii=False)


def test_what_is_to_be_fixed_is_written_again_and_nothing_else(llama: LoadedBase) -> None:
    writer = Scripted(
        llama,
        [
            ["x" * 170, "A miracle bar.", "It floats and" + CUT],
            ["It  floats .", "y" * 170],
        ],
    )
    (outcome,) = write(writer, [CopyOrder(voice(), SHORT)], Effort(1, 3, 3))
    (good,) = outcome.good
    assert (good.copy.text, good.copy.verdict, good.copy.variant, good.copy.round) == (
        "It floats.",
        "pass",
        0,
        2,
    )
    assert {one.rule for one in good.copy.mended} == {"spacing"}
    assert [copy.verdict for copy in outcome.tried] == ["fix", "block", "fix", "pass", "fix"]
    assert (outcome.cost.texts, outcome.cost.rounds, outcome.cost.tokens) == (5, 2, 15)
    seeds = [request.sampling.seed for call in writer.calls for request in call]
    assert len(set(seeds)) == 5
    assert good.copy.seed == seeds[3]


def test_no_variant_passed_is_said_with_all_findings(llama: LoadedBase) -> None:
    writer = Scripted(llama, [["x" * 170, "A miracle bar."], ["y" * 170]])
    (outcome,) = write(writer, [CopyOrder(voice(), SHORT)], Effort(1, 2, 2))
    assert outcome.good == ()
    assert [copy.findings[0].rule for copy in outcome.tried] == [
        "length.long",
        "terms.banned",
        "length.long",
    ]
    assert not writer.script


@pytest.mark.parametrize("severity", ["review", "block"])
def test_what_a_person_has_to_look_at_is_never_good_nor_drawn_again(llama: LoadedBase, severity: str) -> None:
    writer = Scripted(llama, [["A miracle bar.", "A miracle soap."]])
    own = voice(severities={"terms": severity, "claims": "off", "facts": "off"})
    (outcome,) = write(writer, [CopyOrder(own, SHORT)], Effort(1, 2, 3))
    assert (outcome.good, outcome.cost.rounds) == ((), 1)
    assert outcome.waiting == (outcome.tried if severity == "review" else ())


def test_what_was_trained_on_and_other_brands_names_are_no_good(llama: LoadedBase) -> None:
    known = ["It floats in every bath, and sailors like it.", "它浮在水上，水手们都喜欢它，一直都喜欢。"]
    own = voice(severities=dict.fromkeys(("language", "facts", "claims", "repetition"), "off"))
    own = replace(own, known=KnownTexts.of(known), others=("Halden", "山屿"))
    run = "See, it floats in every bath, and sailors like it."
    script = [[*known, run, "Halden floats.", "它比山屿好。", "It floats."], ["It swims.", "它会游泳。"]]
    (outcome,) = write(Scripted(llama, script), [CopyOrder(own, SHORT)], Effort(3, 6, 2))
    rules = [[one.rule for one in copy.findings] for copy in outcome.tried]
    assert rules == [
        ["regurgitation.whole"],
        ["regurgitation.whole"],
        ["regurgitation.run"],
        ["cross_brand.name"],
        ["cross_brand.name"],
        [],
        [],
        [],
    ]
    assert [copy.verdict for copy in outcome.tried[:5]] == ["fix", "fix", "review", "block", "block"]
    assert {good.copy.text for good in outcome.good} == {"It floats.", "It swims.", "它会游泳。"}


def test_all_brands_of_a_round_are_one_batch(llama: LoadedBase) -> None:
    writer = Scripted(llama, [["It floats.", "x" * 170], ["It is soap."]])
    orders = [CopyOrder(voice("tidal"), SHORT), CopyOrder(voice("fjord"), SHORT)]
    tidal, fjord = write(writer, orders, Effort(1, 1, 3))
    assert (tidal.good[0].copy.text, fjord.good[0].copy.text) == ("It floats.", "It is soap.")
    assert (tidal.cost.rounds, fjord.cost.rounds) == (1, 2)
    assert [copy.brand for copy in fjord.tried] == ["fjord", "fjord"]


def test_a_cut_text_with_a_whole_sentence_is_good_once_mended(llama: LoadedBase) -> None:
    writer = Scripted(llama, [["It floats. And the" + CUT]])
    (outcome,) = write(writer, [CopyOrder(voice(), SHORT)], Effort(1, 1, 1))
    copy = outcome.good[0].copy
    assert (copy.text, copy.stopped, [one.rule for one in copy.mended]) == ("It floats.", False, ["fragment"])


def test_of_an_ad_only_the_failing_pieces_are_written_again(llama: LoadedBase) -> None:
    long = "A headline that is far too long for it"
    writer = Scripted(
        llama,
        [
            [ad("It floats", long, "It floats")],
            ["Soap  that swims", "Six pounds and" + CUT],
            ["For sailors"],
        ],
    )
    (outcome,) = write(writer, [CopyOrder(voice(), RSA)], Effort(1, 1, 3))
    copy = outcome.good[0].copy
    assert read_ad(copy.text, "google_rsa")["headline"] == ("It floats", "Soap that swims", "For sailors")
    assert [(one.field, one.number) for one in copy.rewritten] == [("headline", 1), ("headline", 2)]
    assert [(one.rule, one.piece) for one in copy.mended] == [("spacing", "headline 2")]
    assert [len(call) for call in writer.calls] == [1, 2, 1]
    assert "one headline for Google" in llama.decode(writer.calls[1][0].prompt)
    assert [type(rule).__name__ for rule in writer.calls[0][0].constraints] == ["BannedTerms", "JsonGrammar"]


def test_a_broken_ad_is_written_again_whole(llama: LoadedBase) -> None:
    writer = Scripted(llama, [['{"headline": ["It' + CUT], [ad("One  thing", "Two more", "Third way")]])
    (outcome,) = write(writer, [CopyOrder(voice(), RSA)], Effort(1, 1, 2))
    copy = outcome.good[0].copy
    assert read_ad(copy.text, "google_rsa")["headline"][0] == "One thing"
    assert [(one.rule, one.piece) for one in copy.mended] == [("spacing", "headline 1")]
    assert outcome.tried[0].findings[0].rule == "structure.json"


def test_findings_of_a_piece_have_their_place_in_the_ad() -> None:
    text = ad('Say "miracle" now', "Two more", "Third way")
    found = [one for one in findings(text, Case(RSA, voice().brand)) if one.rule == "terms.banned"]
    assert [text[slice(*one.span)] for one in found if one.span] == ["miracle"]
    assert pieces(text, RSA)[0].text == 'Say "miracle" now'


def test_the_best_are_taken_first(llama: LoadedBase) -> None:
    brief = SHORT.model_copy(update={"attributes": {"price": "£6"}})
    texts = ["It floats well.", "It floats, £6.", "It floats, for £6."]
    writer = Scripted(llama, [texts])
    (outcome,) = write(writer, [CopyOrder(voice(facts=["£6"]), brief)], Effort(2, 3, 1))
    assert outcome.good[0].copy.variant in (1, 2)
    assert outcome.good[0].parts.faithfulness == 1
    assert outcome.good[0].parts.total >= outcome.good[1].parts.total


@pytest.mark.thorough
def test_the_engine_itself_writes_ads_and_texts_in_one_batch(llama: LoadedBase) -> None:
    """A tiny random model says nothing that passes; what it says has the structure and says so."""
    writer = Writer(llama)
    orders = [CopyOrder(voice(), RSA), CopyOrder(voice("fjord"), SHORT)]
    try:
        first = write_until_good(writer, orders, Sampling(13, 1.0, 1.0, 12), Effort(1, 2, 2))
        again = write_until_good(writer, orders, Sampling(13, 1.0, 1.0, 12), Effort(1, 2, 2))
    finally:
        writer.close()
    assert first == again
    ads: list[Copy] = [copy for copy in first[0].tried if copy.stopped]
    for copy in ads:
        assert set(read_ad(copy.text, "google_rsa")) >= {"headline", "description"}
    assert all(copy.verdict for outcome in first for copy in outcome.tried)
    assert all(outcome.cost.texts >= 2 and outcome.cost.rounds <= 2 for outcome in first)


class Listener:
    """Stands for a voice classifier: the more a text swims, the more it sounds like Tidal."""

    def predict(self, texts: Sequence[str]) -> list[Any]:
        sure = [0.9 if "swims" in text else 0.1 for text in texts]
        return [SimpleNamespace(probabilities={"tidal": one, "fjord": 1 - one}) for one in sure]


@pytest.mark.parametrize(("brand", "first"), [("tidal", "It swims well."), ("fjord", "It floats well.")])
def test_what_sounds_like_the_brand_is_taken_first(llama: LoadedBase, brand: str, first: str) -> None:
    writer: Any = Scripted(llama, [["It floats well.", "It swims well."]])
    listener: Any = Listener()
    (outcome,) = write_until_good(
        writer, [CopyOrder(voice(brand), SHORT)], SAMPLING, Effort(1, 2, 1), listener
    )
    assert (outcome.good[0].copy.text, outcome.good[0].parts.voice) == (first, 0.9)


def test_a_piece_that_was_cut_is_kept_to_its_last_whole_sentence(llama: LoadedBase) -> None:
    """One that the model ended itself stays as it is."""
    first = ad("Soap", "A headline that is far too long for it", "Quite another one, and by far no shorter")
    writer = Scripted(llama, [[first], ["It swims. It is" + CUT, "It swims. It is"]])
    (outcome,) = write(writer, [CopyOrder(voice(), RSA)], Effort(1, 1, 2))
    headlines = read_ad(outcome.tried[-1].text, "google_rsa")["headline"]
    assert headlines == ("Soap", "It swims.", "It swims. It is")


def test_one_text_of_four_variants_in_three_rounds_is_asked_for() -> None:
    assert Effort() == Effort(wanted=1, tries=4, rounds=3)
