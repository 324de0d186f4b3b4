"""`POST /v1/copy`: briefs in, copy with findings and provenance out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lora_marketing.engine.request import Finish, Request
from lora_marketing.engine.sampling import row_seed
from lora_marketing.registry import AdapterRef, Registry
from tests.serving.conftest import World
from tests.serving.making import BRIEF, EMBER, LUMEN, FakeEngine, Running, canary, chat, publish, serving


def ask(shared: tuple[World, Running], **changes: Any) -> Any:
    world, running = shared
    with running.client(world.ours) as client:
        return client.post("/v1/copy", json={"model": EMBER, "brief": BRIEF, **changes})


def test_variants_with_their_provenance(shared: tuple[World, Running]) -> None:
    done = ask(shared, variants=4, seed=11).json()
    assert (done["seed"], len(done["variants"])) == (11, 4)
    assert len({variant["text"] for variant in done["variants"]}) == 4
    for number, variant in enumerate(done["variants"]):
        made = variant["provenance"]
        assert variant["text"].startswith(canary(EMBER))
        assert (made["brand"], made["line"], made["adapter"]) == ("ember", "soap", EMBER)
        assert (made["variant"], made["stopped"]) == (number, variant["finish"] == "stop")
        assert made["seed"] == row_seed(11, made["adapter"], made["prompt_sha256"], str(number))
    again = ask(shared, variants=4, seed=11).json()
    assert again["variants"] == done["variants"]


def test_a_request_renders_its_prompt_once(world: World) -> None:
    engine = FakeEngine()
    with serving(world.root, engine) as running, running.client() as client:
        body = {"model": EMBER, "brief": BRIEF, "variants": 4, "rounds": 2, "max_tokens": 1}
        assert client.post("/v1/copy", json=body).status_code == 200
        assert (len(engine.rows), engine.base.rendered) == (8, 2), "its own, and what is the brand's in it"
        assert client.post("/v1/copy", json={**body, "seed": 1}).status_code == 200
    assert (len(engine.rows), engine.base.rendered) == (16, 3)


def test_the_prompt_is_the_brand_s_own(shared: tuple[World, Running]) -> None:
    ask(shared, seed=1)
    row = shared[1].engine.rows[-1]
    prompt = shared[1].engine.base.decode(row.request.prompt)
    assert prompt.startswith("<system>You write copy for Ember. Secret guide of ember.")
    assert [type(rule).__name__ for rule in row.request.constraints] == ["BannedTerms", "LengthBudget"]


def test_findings_come_with_the_text(shared: tuple[World, Running]) -> None:
    cut = ask(shared, max_tokens=1).json()["variants"][0]
    assert cut["finish"] == "length"
    assert [found["rule"] for found in cut["findings"]] == ["unfinished"]


RSA = {"product": "Bar", "channel": "google_rsa", "field": "ad"}


def test_an_ad_that_does_not_fit_is_refused_whatever_the_client_gives_it(world: World) -> None:
    with serving(world.root, FakeEngine(context=500)) as running, running.client() as client:
        for more in ({}, {"max_tokens": 1}):
            answer = client.post("/v1/copy", json={"model": EMBER, "brief": RSA, **more})
            assert answer.json()["error"]["code"] == "context_length_exceeded"


class Adverts(FakeEngine):
    """Writes ads with a headline that is too long, and pieces that are cut."""

    def _written(self, request: Request) -> tuple[list[str], Finish]:
        if len(self.rows) > 0:
            return ["Six pounds and"], "length"
        headlines = ["It floats", "A headline that is far too long for it", "For sailors"]
        ad = {"headline": headlines, "description": ["It floats in the bath.", "Sailors like it."]}
        return [json.dumps(ad)], "stop"


def test_the_end_of_a_piece_is_not_that_of_its_ad(world: World) -> None:
    engine = Adverts()
    with serving(world.root, engine) as running, running.client() as client:
        answer = client.post("/v1/copy", json={"model": EMBER, "brief": RSA, "rounds": 2, "seed": 1})
    (variant,) = answer.json()["variants"]
    assert len(engine.rows) == 2
    assert (variant["finish"], variant["provenance"]["stopped"]) == ("stop", True)


def test_a_text_that_was_trained_on_is_found_in_any_version(world: World) -> None:
    known = "basil fern glow dune amber hazel elder cedar fern and basil"
    slip = f": {known}"
    text = canary(EMBER) + slip
    first = publish(world.root, EMBER, "two", known=[text])
    with serving(world.root, FakeEngine(slip=slip)) as running, running.client() as client:

        def rules() -> set[str]:
            body = {"model": EMBER, "brief": BRIEF, "max_tokens": 1, "seed": 1}
            answer = client.post("/v1/copy", json=body)
            (variant,) = answer.json()["variants"]
            return {one["rule"] for one in variant["findings"] if "regurgitation" in one["rule"]}

        assert rules() == {"regurgitation.whole"}
        publish(world.root, EMBER, "three")
        assert rules() == set()
        Registry(world.root).promote(AdapterRef(first.name, digest=first.digest), "prod")
        assert rules() == {"regurgitation.whole"}


def test_damaged_known_texts_are_the_adapter_s_fault(world: World) -> None:
    path = publish(world.root, EMBER, "two", known=["It floats."]).folder / "known_texts.bin"
    path.chmod(0o600)
    path.write_bytes(b"")
    with serving(world.root) as running, running.client() as client:
        answer = client.post("/v1/copy", json={"model": EMBER, "brief": BRIEF})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_unavailable")
        assert client.post("/v1/chat/completions", json=chat()).status_code == 503
        assert client.post("/v1/chat/completions", json=chat(LUMEN)).status_code == 200


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
    shared: tuple[World, Running], change: dict[str, Any], param: str, words: str
) -> None:
    answer = ask(shared, **change)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert words in error["message"]


def test_variants_are_guarded_mended_and_written_again_as_often_as_asked(
    shared: tuple[World, Running],
) -> None:
    once, thrice = (ask(shared, max_tokens=1, variants=2, seed=5, rounds=n).json() for n in (1, 3))
    assert [one["verdict"] for one in once["variants"]] == ["fix", "fix"]
    assert [one["provenance"]["round"] for one in once["variants"]] == [1, 1]
    assert [one["provenance"]["round"] for one in thrice["variants"]] == [3, 3]
    assert (once["usage"]["completion_tokens"], thrice["usage"]["completion_tokens"]) == (2, 6)
    assert len({one["id"] for one in [*once["variants"], *thrice["variants"]]}) == 4
    assert all(one["mended"] == [] for one in once["variants"])
    assert ask(shared, rounds=5).status_code == 400
