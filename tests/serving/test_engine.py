"""The real engine behind the server, on a tiny random base: the two fit together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lora_marketing.engine.base import load_base
from lora_marketing.engine.engine import Engine
from lora_marketing.registry import AdapterName, AdapterRef, Registry
from lora_marketing.serving.keys import add_key
from tests.engine.making import base_folder, save_adapters, section
from tests.registry.making import manifest
from tests.serving.making import BRIEF, EMBER, LUMEN, Running, chat, profile, serving, until

SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
JSON = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with two_brands(tmp_path_factory.mktemp("real")) as (_, running):
        yield running


@contextmanager
def two_brands(folder: Path, keys: Path | None = None) -> Iterator[tuple[Registry, Running]]:
    """Two brands and a second version of the first, as `next`, served by a real engine."""
    base = load_base(section(base_folder("llama", folder / "base")))
    registry = Registry(folder / "adapters")
    made = save_adapters(base, folder / "made")
    for name, kind, alias in ((EMBER, "plain", "prod"), (LUMEN, "dora", "prod"), (EMBER, "dora", "next")):
        (made[kind] / "README.md").write_text("# made\n")
        named = AdapterName(*name.split("/"))
        recipe = profile(name)
        recipe["brand_profile"]["severities"] = {"injection": "off"}  # it says things that nobody can see
        described = manifest(named, recipe=recipe, base=base.pin)
        registry.publish(
            named, publishable(made[kind], folder / f"{kind}-{alias}-{named.brand}"), described, alias
        )
    with serving(registry.root, Engine(base, max_rows=4), keys) as running:
        yield registry, running


def publishable(folder: Path, target: Path) -> Path:
    target.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors", "README.md"):
        shutil.copy(folder / name, target / name)
    return target


def post(real: Running, path: str, body: Any) -> httpx.Response:
    with real.client() as client:
        return client.post(path, json=body)


def test_chat(real: Running) -> None:
    body = chat(seed=5, n=3, max_tokens=12)
    whole = post(real, "/v1/chat/completions", body).json()
    texts = [choice["message"]["content"] for choice in whole["choices"]]
    assert len(set(texts)) == 3
    streamed = ["", "", ""]
    for line in post(real, "/v1/chat/completions", {**body, "stream": True}).text.split("\n\n"):
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                streamed[choice["index"]] += choice["delta"].get("content", "")
    assert streamed == texts
    other = post(real, "/v1/chat/completions", {**body, "model": LUMEN}).json()
    assert [choice["message"]["content"] for choice in other["choices"]] != texts


def test_json_follows_its_schema(real: Running) -> None:
    answer = post(real, "/v1/chat/completions", chat(response_format=JSON, max_tokens=60)).json()
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert isinstance(json.loads(answer["choices"][0]["message"]["content"])["ok"], bool)
    wrong = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "nothing"}}}
    told = post(real, "/v1/chat/completions", chat(response_format=wrong))
    assert (told.status_code, told.json()["error"]["param"]) == (400, "response_format")


def test_a_token_that_the_model_lacks_is_refused(real: Running) -> None:
    """Bases that see have tokenizers with a token for a picture, and text models without its embedding."""
    base = real.engine.base
    assert real.engine.vocabulary == len(base.model.get_input_embeddings().weight)
    base.tokenizer.add_tokens(["<picture>"], special_tokens=True)
    assert base.tokenizer.convert_tokens_to_ids("<picture>") >= real.engine.vocabulary
    refused = post(real, "/v1/chat/completions", chat(text="What is <picture>?"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unknown_token")
    assert "<picture>" in refused.json()["error"]["message"]
    assert post(real, "/v1/chat/completions", chat(max_tokens=3)).status_code == 200
    with real.client() as client:
        assert client.get("/healthz").status_code == 200


def test_copy_keeps_to_its_channel(real: Running) -> None:
    body = {"model": EMBER, "brief": BRIEF, "variants": 4, "max_tokens": 100, "seed": 2}
    done = post(real, "/v1/copy", body).json()
    for variant in done["variants"]:
        assert not {found["rule"] for found in variant["findings"]} & {
            "length.long",
            "terms.banned",
            "terms.competitor",
        }
    assert post(real, "/v1/copy", body).json() == done


def test_two_keys_share_the_brand_s_own_turn_only(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    one, other = (add_key(keys, name, ["ember"]) for name in ("one", "other"))
    with two_brands(tmp_path, keys) as (_, running):

        def computed(key: str, text: str) -> int:
            before = running.engine.figures()
            with running.client(key) as client:
                answer = client.post("/v1/chat/completions", json=chat(text=text, max_tokens=1))
            assert answer.status_code == 200, answer.text
            until(lambda: running.engine.figures().rows_finished > before.rows_finished)
            return int(running.engine.figures().prompt_tokens_computed - before.prompt_tokens_computed)

        secret = "Lamps that float on Thursday, told to nobody before."
        whole, known = computed(one, secret), computed(one, secret)
        guess, again = computed(other, secret), computed(other, secret)
    assert known == again == 1
    assert known < guess < whole, "the brand's turn was known, what the other key sent was not"


def test_completions_and_figures(real: Running) -> None:
    body = {"model": EMBER, "prompt": ["Dark roast", "Cocoa"], "max_tokens": 5, "temperature": 0}
    answer = post(real, "/v1/completions", body).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    with real.client() as client:
        page = client.get("/metrics").text
    assert "lora_marketing_adapters_resident 0.0" not in page
    assert "lora_marketing_steps_total 0.0" not in page


@pytest.mark.thorough
def test_moved_and_removed_while_it_is_written_with(tmp_path: Path) -> None:
    """Requests that run go on with what they began with; the removed adapter's later ones are told."""
    ember, lumen = AdapterName(*EMBER.split("/")), AdapterName(*LUMEN.split("/"))
    body = {"brief": BRIEF, "variants": 2, "max_tokens": 8}
    with two_brands(tmp_path) as (registry, real), real.client() as client:

        def ask(number: int) -> tuple[str, int, str]:
            model = (EMBER, LUMEN)[number % 2]
            answer = client.post("/v1/copy", json={**body, "model": model, "seed": number})
            told = answer.json()
            good = answer.status_code == 200
            said = told["variants"][0]["provenance"]["digest"] if good else told["error"]["code"]
            return model, answer.status_code, said

        before = {model: ask(number)[2] for number, model in enumerate((EMBER, LUMEN))}
        moved = registry.resolve(AdapterRef(ember, "next"))
        with ThreadPoolExecutor(8) as threads:
            asking = [threads.submit(ask, number) for number in range(60)]
            asking[6].result()
            registry.promote(AdapterRef(ember, "next"), "prod")
            folder = registry.resolve(AdapterRef(lumen)).folder
            folder.rename(tmp_path / "gone")
            found = [one.result() for one in asking]
        after = [ask(0), ask(1)]
    embers = [(status, said) for model, status, said in found if model == EMBER]
    assert set(embers) == {(200, before[EMBER]), (200, moved.digest)}
    assert after[0] == (EMBER, 200, moved.digest)
    lumens = {(status, said) for model, status, said in found if model == LUMEN}
    gone = after[1][1:]
    assert gone in {(404, "model_not_found"), (503, "model_unavailable")}
    assert lumens == {(200, before[LUMEN]), gone}
