"""What a key sees: its own brands, and nothing from which others could be guessed."""

from __future__ import annotations

import json
import logging
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from lora_marketing.copy.record import Copy
from lora_marketing.registry import AdapterName, AdapterRef, Registry
from lora_marketing.serving.logs import JsonLines
from tests.serving.conftest import World
from tests.serving.making import (
    BRIEF,
    EMBER,
    LUMEN,
    NAMES,
    FakeEngine,
    Running,
    canary,
    chat,
    publish,
    serving,
)

STRANGE = [
    LUMEN,
    f"{LUMEN}@prod",
    f"{LUMEN}:abcd",
    "no/such",
    "ember/none",
    f"{EMBER}@none",
    f"{EMBER}:0000",
    f"{EMBER}@prod:abcd",
    "../../etc/passwd",
    "ember/../lumen/serum",
    "ember/soap\x00",
    "x" * 10_000,
    "",
    "/",
    "%2e%2e/%2e%2e",
]


def same(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    return answer.status_code, answer.content, headers


def test_a_foreign_model_and_an_unknown_one_are_the_same(shared: tuple[World, Running]) -> None:
    world, running = shared
    foreign = Registry(world.root).resolve(AdapterRef(AdapterName("lumen", "serum"))).digest
    with running.client(world.ours) as client:
        answers = {
            repr(same(client.post(path, json=body)))
            for model in [*STRANGE, f"{EMBER}:{foreign}", f"{LUMEN}:{foreign}"]
            for path, body in (
                ("/v1/chat/completions", chat(model)),
                ("/v1/chat/completions", chat(model, stream=True)),
                ("/v1/completions", {"model": model, "prompt": "x"}),
                ("/v1/copy", {"model": model, "brief": BRIEF}),
            )
        }
        looked_up = {repr(same(client.get(f"/v1/models/{name}"))) for name in (LUMEN, "no/such", "a" * 5000)}
        assert client.get(f"/v1/models/{EMBER}").status_code == 200
    assert len(answers) == 1
    assert looked_up == answers
    assert "404" in answers.pop()


def test_lists_show_only_what_the_key_opens(shared: tuple[World, Running]) -> None:
    world, running = shared
    with running.client(world.theirs) as client:
        assert {card["id"] for card in client.get("/v1/models").json()["data"]} == {LUMEN, f"{LUMEN}@prod"}
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
            text = client.get(path).text
            assert not any(
                word in text for name in NAMES for word in (name, *name.split("/")) if word != "soap"
            )


def test_names_on_the_metrics_page_if_wanted(world: World) -> None:
    with serving(world.root, metrics_by_adapter=True) as running, running.client() as client:
        client.post("/v1/chat/completions", json=chat())
        assert 'adapter_requests_total{brand="ember",line="soap"} 1.0' in client.get("/metrics").text


def test_no_key_no_answer(shared: tuple[World, Running]) -> None:
    _, running = shared
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Basic eDp5"}, {"Authorization": "é"}):
        raw = {name: value.encode() for name, value in headers.items()}
        answer = httpx.get(f"{running.url}/v1/models", headers=raw)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert answer.headers["x-request-id"]


def test_a_revoked_key_is_refused_at_once(world: World) -> None:
    from lora_marketing.serving.keys import revoke_key

    with serving(world.root, keys=world.keys) as running, running.client(world.ours) as client:
        assert client.get("/v1/models").status_code == 200
        revoke_key(world.keys, "ours")
        assert client.get("/v1/models").status_code == 401
        world.keys.write_text("{")
        assert client.get("/readyz").status_code == 503
        assert httpx.get(f"{running.url}/healthz").status_code == 200


def test_every_brand_hears_its_own_canary(world: World) -> None:
    engine = FakeEngine(max_rows=16)
    with serving(world.root, engine) as running, running.client() as client:

        def ask(number: int) -> None:
            name = NAMES[number % 3]
            for turn in range(3):
                body = chat(name, f"Write {number}.", n=1 + turn, stream=number % 2 == 0)
                text = client.post("/v1/chat/completions", json=body).text
                assert canary(name) in text
                assert not any(canary(other) in text for other in NAMES if other != name)

        with ThreadPoolExecutor(64) as threads:
            list(threads.map(ask, range(64)))
    assert running.service.worker.open_rows == 0


@pytest.mark.parametrize("slip", [" by Lumen", " like ＬＵＭＥＮ", " just lumen"])
def test_no_text_gives_another_brand_away(world: World, slip: str) -> None:
    """Neither its name nor what was found, nor the id, which is a hash of the text."""
    with serving(world.root, FakeEngine(slip=slip), keys=world.keys) as running:
        shared = {"model": EMBER, "brief": BRIEF, "variants": 3, "seed": 4, "rounds": 2}
        with running.client(world.ours) as client:
            answer = client.post("/v1/copy", json=shared)
        with running.client(world.theirs) as client:
            own = client.post("/v1/copy", json={**shared, "model": LUMEN}).json()
    done = answer.json()
    assert (answer.status_code, len(done["variants"])) == (200, 3)
    assert "lumen" not in unicodedata.normalize("NFKC", answer.text).casefold()
    for number, variant in enumerate(done["variants"]):
        assert (variant["text"], variant["verdict"], variant["mended"]) == ("", "block", [])
        (found,) = variant["findings"]
        assert (found["rule"], found["span"]) == ("cross_brand.withheld", None)
        kept = {**variant, **variant["provenance"], "brief": BRIEF}
        fields = {name: value for name, value in kept.items() if name in Copy.model_fields}
        assert Copy.model_validate(fields).id == variant["id"]
        assert variant["provenance"]["variant"] == number
    assert all(slip.split()[0] in variant["text"] for variant in own["variants"])
    assert "cross_brand" not in str(own)


def test_what_was_mended_gives_no_brand_away(world: World) -> None:
    engine = FakeEngine(slip=". As Lumen said")
    with serving(world.root, engine, keys=world.keys) as running, running.client(world.ours) as client:
        shared = {"model": EMBER, "brief": BRIEF, "max_tokens": 1}  # cut: the last sentence goes
        answer = client.post("/v1/copy", json=shared)
    assert "lumen" not in answer.text.casefold()
    assert [one["rule"] for one in answer.json()["variants"][0]["findings"]] == ["cross_brand.withheld"]


def test_a_brief_does_not_ask_who_the_clients_are(world: World) -> None:
    """A name that the caller brings is answered alike, whether it is a brand of the registry or not."""
    told = []
    for name in ("Lumen", "Harek"):
        engine = FakeEngine(slip=f" by {name}")
        with serving(world.root, engine, keys=world.keys) as running, running.client(world.ours) as client:
            brief = {**BRIEF, "notes": f"Do not sound\nlike {name}."}
            answer = client.post("/v1/copy", json={"model": EMBER, "brief": brief, "max_tokens": 1})
        (variant,) = answer.json()["variants"]
        told.append((variant["verdict"], [one["rule"] for one in variant["findings"]]))
        assert name in variant["text"]
    assert told[0] == told[1]


def test_a_damaged_adapter_is_out_and_the_others_are_not(world: World) -> None:
    engine = FakeEngine(damaged={EMBER})
    with serving(world.root, engine) as running, running.client() as client:
        for damaged in ({EMBER}, {f"{EMBER} at register"}):
            engine.damaged = damaged
            for stream in (False, True):
                answer = client.post("/v1/chat/completions", json=chat(stream=stream))
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
                assert answer.json()["error"]["code"] == "model_unavailable"
                assert str(world.root) not in answer.text
                assert "secret" not in answer.text
                assert client.post("/v1/chat/completions", json=chat(LUMEN)).status_code == 200
        engine.damaged = set()
        folder = Registry(world.root).resolve(AdapterRef(AdapterName("ember", "soap"))).folder
        (folder / "manifest.json").chmod(0o600)
        (folder / "manifest.json").write_text("{}")
        assert client.post("/v1/chat/completions", json=chat()).status_code == 503
        assert client.get("/v1/models").status_code == 200


@pytest.mark.thorough
def test_promotions_hold_from_the_next_request_and_drop_none(world: World) -> None:
    second = publish(world.root, EMBER, "two", alias="candidate")
    first = Registry(world.root).resolve(AdapterRef(AdapterName("ember", "soap")))
    with serving(world.root, FakeEngine(pace=0.001)) as running, running.client() as client:

        def ask(_: int) -> tuple[int, str]:
            answer = client.post("/v1/copy", json={"model": EMBER, "brief": BRIEF, "variants": 2})
            digests = {variant["provenance"]["digest"] for variant in answer.json()["variants"]}
            assert len(digests) == 1
            return answer.status_code, digests.pop()

        with ThreadPoolExecutor(8) as threads:
            asking = [threads.submit(ask, number) for number in range(40)]
            asking[3].result()
            Registry(world.root).promote(AdapterRef(AdapterName("ember", "soap"), "candidate"), "prod")
            found = [one.result() for one in asking]
        assert ask(0) == (200, second.digest)
        Registry(world.root).rollback(AdapterName("ember", "soap"), "prod")
        assert ask(0) == (200, first.digest)
    assert {status for status, _ in found} == {200}
    assert {digest for _, digest in found} == {first.digest, second.digest}


def test_another_base_s_adapter_is_not_there(world: World) -> None:
    pin = FakeEngine().base.pin.model_copy(update={"fingerprint": "other"})
    publish(world.root, "ember/other", base=pin)
    with serving(world.root) as running, running.client() as client:
        assert client.post("/v1/chat/completions", json=chat("ember/other")).status_code == 404
        assert "ember/other" not in client.get("/v1/models").text


def test_logs_hold_no_prompt_no_text_and_no_key(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, "lora_marketing.serving"),
        serving(world.root, keys=world.keys) as running,
        running.client(world.ours) as client,
    ):
        answer = client.post("/v1/chat/completions", json=chat(text="A secret launch."))
        client.post("/v1/copy", json={"model": EMBER, "brief": {**BRIEF, "product": "A secret launch"}})
        client.post("/v1/chat/completions", json=chat(text="A secret launch.", nonsense="secret"))
        client.get("/v1/models/secret/model")
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if hasattr(record, "fields")]
    assert [line["status"] for line in lines] == [200, 200, 400, 404]
    assert lines[0]["request_id"] == answer.headers["x-request-id"]
    assert lines[0]["tokens"] == answer.json()["usage"]["completion_tokens"]
    assert lines[0]["finish"] == ["stop"]
    assert lines[3]["endpoint"] == "/v1/models/{model}"
    text = "".join(JsonLines().format(record) for record in caplog.records)
    assert not any(word in text for word in ("secret", world.ours, "canary", "ours", "ember"))
