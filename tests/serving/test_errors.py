"""What a client is told of a body that cannot be taken."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue, ValidationError

from lora_marketing.serving.errors import ErrorDetail, validation_error
from lora_marketing.serving.schema import (
    MOST_DEPTH,
    MOST_NAMES,
    NEUTRAL,
    ChatRequest,
    CompletionRequest,
    RequestBody,
)

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi."}]}
COMPLETION = {"model": "m", "prompt": "Hi."}
CHANGING: dict[str, Any] = {
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "logit_bias": {"1": 1},
    "logprobs": True,
    "tools": [{}],
    "tool_choice": "required",
    "functions": [{}],
    "function_call": {"name": "f"},
    "top_logprobs": 1,
    "modalities": ["audio"],
    "audio": {},
    "prediction": {},
    "reasoning_effort": "low",
    "verbosity": "low",
    "web_search_options": {},
    "service_tier": "flex",
    "store": True,
    "echo": True,
    "best_of": 2,
    "suffix": "x",
}


def told(kind: type[RequestBody], body: dict[str, Any]) -> ErrorDetail:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(body)
    errors = [{**one, "loc": ("body", *one["loc"])} for one in caught.value.errors()]
    return validation_error(errors, body).body.error


@pytest.mark.parametrize("name", sorted(CHANGING))
def test_what_would_change_the_text_is_refused_by_its_name(name: str) -> None:
    """Whatever has one value only, that changes nothing, is told so."""
    kinds = [(kind, body) for kind, body in ((ChatRequest, CHAT), (CompletionRequest, COMPLETION))]
    asked = [(kind, body) for kind, body in kinds if name in kind.model_fields]
    assert asked
    for kind, body in asked:
        error = told(kind, {**body, name: CHANGING[name]})
        assert (error.code, error.param) == ("unsupported_value", name)
        assert error.message.startswith(f"{name}: not supported here but for the value that changes nothing")


def test_every_neutral_parameter_is_one() -> None:
    assert CHANGING.keys() == NEUTRAL


def test_how_much_a_body_may_hold() -> None:
    assert (MOST_NAMES, MOST_DEPTH) == (10_000, 100)


class Anything(RequestBody):
    """A body of one field."""

    inner: dict[str, JsonValue]


@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_a_body_has_so_many_names_at_most(more: int, taken: bool) -> None:
    body = {"inner": dict.fromkeys(map(str, range(MOST_NAMES - 1 + more)), 1)}
    if taken:
        Anything.model_validate(body)
    else:
        assert f"more than {MOST_NAMES:,} names" in told(Anything, body).message


@pytest.mark.parametrize(("more", "taken"), [(0, True), (1, False)])
def test_a_body_is_so_deep_at_most(more: int, taken: bool) -> None:
    value: Any = {}
    for _ in range(MOST_DEPTH - 2 + more):
        value = {"a": value}
    if taken:
        Anything.model_validate({"inner": value})
    else:
        assert f"more than {MOST_DEPTH} levels" in told(Anything, {"inner": value}).message


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("seed", [-(2**63), 2**63 - 1], [-(2**63) - 1, 2**63]),
        ("stop", ["x", "x" * 200, ["x"] * 4], ["", "x" * 201, ["x"] * 5, [""]]),
        ("max_tokens", [1, 1_000_000], [0, 1_000_001]),
        ("n", [1, 64], [0, 65]),
        ("temperature", [0, 2], [-0.01, 2.01]),
        ("top_p", [0.01, 1], [0, 1.01]),
    ],
)
def test_settings_have_limits(name: str, taken: list[Any], refused: list[Any]) -> None:
    for value in taken:
        assert getattr(ChatRequest.model_validate({**CHAT, name: value}), name) == value
    for value in refused:
        assert (told(ChatRequest, {**CHAT, name: value}).param or "").startswith(name)


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"colour": 1}, "unsupported_parameter", "colour"),
        (
            {"messages": [{"role": "user", "content": "x", "colour": 1}]},
            "unsupported_parameter",
            "messages[0]",
        ),
        ({"messages": [{"content": "x"}]}, "missing_required_parameter", "messages[0].role"),
        ({"messages": "x"}, "invalid_value", "messages"),
        ({"response_format": {"type": "json_schema"}}, "missing_required_parameter", "response_format"),
    ],
)
def test_a_problem_has_a_code_and_the_place_where_it_stands(
    changes: dict[str, Any], code: str, param: str
) -> None:
    error = told(ChatRequest, {**CHAT, **changes})
    assert (error.code, (error.param or "")[: len(param)]) == (code, param)


def test_a_body_without_a_field_or_that_is_no_json_is_told_so() -> None:
    assert told(ChatRequest, {"model": "m"}).param == "messages"
    broken: Any = [{"type": "json_invalid", "loc": ("body", 3), "msg": "expected a value"}]
    error = validation_error(broken, None).body.error
    assert (error.code, error.message) == ("invalid_json", "The body is not JSON.")
