"""`POST /v1/copy`: briefs in, copy with findings and provenance out."""

from __future__ import annotations

from typing import Any

import pytest

from lora_marketing.writing.sampling import row_seed
from serving.conftest import World
from serving.making import BRIEF, EMBER, Running, canary


def ask(asked: tuple[World, Running], **changes: Any) -> Any:
    world, running = asked
    with running.client(world.ours) as client:
        return client.post("/v1/copy", json={"model": EMBER, "brief": BRIEF, **changes})


def test_variants_with_their_provenance(asked: tuple[World, Running]) -> None:
    done = ask(asked, variants=4, seed=11).json()
    assert (done["seed"], len(done["variants"])) == (11, 4)
    assert len({variant["text"] for variant in done["variants"]}) == 4
    for number, variant in enumerate(done["variants"]):
        told = variant["provenance"]
        assert variant["text"].startswith(canary(EMBER))
        assert (told["brand"], told["line"], told["adapter"]) == ("ember", "soap", EMBER)
        assert (told["variant"], told["stopped"]) == (number, variant["finish"] == "stop")
        assert told["seed"] == row_seed(11, told["digest"], told["prompt_sha256"], str(number))
    again = ask(asked, variants=4, seed=11).json()
    assert again["variants"] == done["variants"]


def test_the_prompt_is_the_brand_s_own(asked: tuple[World, Running]) -> None:
    ask(asked, seed=1)
    ticket = asked[1].engine.tickets[-1]
    prompt = asked[1].engine.base.decode(ticket.request.prompt)
    assert prompt.startswith("<system>You write copy for Ember. Secret guide of ember.")
    assert [type(rule).__name__ for rule in ticket.request.constraints] == ["BannedTerms", "LengthBudget"]


def test_findings_come_with_the_text(asked: tuple[World, Running]) -> None:
    cut = ask(asked, max_tokens=1).json()["variants"][0]
    assert cut["finish"] == "length"
    assert [found["rule"] for found in cut["findings"]] == ["unfinished"]


@pytest.mark.parametrize(
    ("change", "param", "words"),
    [
        ({"brief": {**BRIEF, "channel": "meta_fed"}}, "brief", 'did you mean "meta_feed"'),
        ({"brief": {**BRIEF, "field": "subject"}}, "brief", "has no field"),
        ({"brief": {**BRIEF, "task": "../tasks"}}, "brief", "unknown task"),
        ({"brief": {"product": "Bar"}}, "brief.channel", "needed"),
        ({"brief": {**BRIEF, "audiense": "all"}}, "brief.audiense", "not supported"),
        ({"variants": 17}, "variants", "less than or equal to 16"),
        ({"max_tokens": 100_000}, "max_tokens", "may have 2000 together"),
    ],
    ids=str,
)
def test_mistakes_are_named(
    asked: tuple[World, Running], change: dict[str, Any], param: str, words: str
) -> None:
    answer = ask(asked, **change)
    told = answer.json()["error"]
    assert (answer.status_code, told["param"]) == (400, param)
    assert words in told["message"]


def test_variants_are_guarded_mended_and_written_again_as_often_as_asked(
    asked: tuple[World, Running],
) -> None:
    once, thrice = (ask(asked, max_tokens=1, variants=2, seed=5, rounds=n).json() for n in (1, 3))
    assert [one["verdict"] for one in once["variants"]] == ["fix", "fix"]
    assert [one["provenance"]["round"] for one in once["variants"]] == [1, 1]
    assert [one["provenance"]["round"] for one in thrice["variants"]] == [3, 3]
    assert (once["usage"]["completion_tokens"], thrice["usage"]["completion_tokens"]) == (2, 6)
    assert len({one["id"] for one in [*once["variants"], *thrice["variants"]]}) == 4
    assert all(one["mended"] == [] for one in once["variants"])
    assert ask(asked, rounds=5).status_code == 400
