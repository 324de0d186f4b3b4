"""The schema at /openapi.json is true: whatever is sent, answers conform to it and nothing breaks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks

from tests.serving.conftest import World
from tests.serving.making import EMBER, LUMEN, Running, chat

EXAMPLES = 10
THOROUGH_EXAMPLES = {"GET": 60, "POST": 250}
"""For each of the operations. A GET has one string to vary, a POST a whole body."""
OPERATIONS = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/copy"),
    ("POST", "/v1/check"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_the_schema_is_true(shared: tuple[World, Running], operation: tuple[str, str]) -> None:
    conform(shared, operation, EXAMPLES)


@pytest.mark.thorough
@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_the_schema_is_true_for_hundreds(shared: tuple[World, Running], operation: tuple[str, str]) -> None:
    conform(shared, operation, THOROUGH_EXAMPLES[operation[0]])


def conform(shared: tuple[World, Running], operation: tuple[str, str], examples: int) -> None:
    world, running = shared
    headers = {"Authorization": f"Bearer {world.ours}"}
    with running.client(
        world.ours
    ) as client:  # the first answer takes as long as the guards' lists take to read
        client.post("/v1/chat/completions", json=chat())
    schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json", headers=headers)
    method, path = operation
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    found = schema[path][method]
    cases = st.one_of([found.as_strategy(generation_mode=mode) for mode in modes])
    models = st.sampled_from([EMBER, f"{EMBER}@prod", LUMEN, None])

    @given(case=cases, model=models)
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples == EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any, model: str | None) -> None:
        if model and isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
            case.body["model"] = model
        case.call_and_validate(headers=headers, checks=CHECKS)

    check()


def test_every_operation_is_tried(shared: tuple[World, Running]) -> None:
    world, running = shared
    with running.client(world.ours) as client:
        paths = client.get("/openapi.json").json()["paths"]
    found = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert found == {*OPERATIONS, ("GET", "/healthz")}
    assert httpx.get(f"{running.url}/docs").status_code == 404
