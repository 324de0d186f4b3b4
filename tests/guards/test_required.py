"""What a brand's texts have to say, in English and Chinese, alone and as a whole ad."""

from __future__ import annotations

import json

from lora_marketing.channels.structure import AD
from lora_marketing.guards import findings
from lora_marketing.guards.required import find
from tests.guards.making import case

OWN = {"required_terms": ["Palm-free", "无棕榈油"]}


def test_what_has_to_be_said() -> None:
    assert list(find("Palm\u2011free. 无棕榈油。", case(**OWN))) == []
    both = list(find("Free.", case(**OWN)))
    assert [(one.rule, one.severity) for one in both] == [("required", "fix")] * 2
    assert [one.suggestion for one in find("Palm-free", case(**OWN))] == ["无棕榈油"]


def test_any_piece_of_an_ad_may_say_it() -> None:
    asked = case({"channel": "google_rsa", "field": AD}, **OWN)
    headlines = ["It floats", "Palm-free", "For sailors"]
    ad = {"headline": headlines, "description": ["It floats in the bath.", "无棕榈油。"]}
    assert findings(json.dumps(ad), asked, ["required"]) == list(find(json.dumps(ad), asked)) == []
    ad["headline"][1] = "Palm"
    assert [one.suggestion for one in findings(json.dumps(ad), asked, ["required"])] == ["Palm-free"]
