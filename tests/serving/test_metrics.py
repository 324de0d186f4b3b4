"""The metrics page: what its shares are of, and where its durations are told apart."""

from __future__ import annotations

from typing import Any

import pytest

from lora_marketing.engine.stats import EngineStats
from lora_marketing.serving.metrics import COUNTERS, GAUGES, Metrics


class Counted:
    """Stands for an engine whose counters are known."""

    def __init__(self, **numbers: int) -> None:
        self._stats = EngineStats(**dict.fromkeys(EngineStats.__dataclass_fields__, 0) | numbers)

    def figures(self) -> EngineStats:
        return self._stats


def lines(**numbers: int) -> dict[str, float]:
    engine: Any = Counted(**numbers)
    page = Metrics(engine, by_adapter=False).page().decode()
    told = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {name.removeprefix("lora_marketing_"): float(value) for name, _, value in told}


@pytest.mark.parametrize(
    ("numbers", "fill", "reused"),
    [
        ({}, 0, 0),
        ({"rows_running": 6, "max_rows": 8}, 0.75, 0),
        ({"max_rows": 8}, 0, 0),
        ({"prompt_tokens_computed": 30, "prompt_tokens_reused": 10}, 0, 0.25),
        ({"prompt_tokens_reused": 10}, 0, 1),
        ({"prompt_tokens_computed": 30}, 0, 0),
    ],
)
def test_shares_of_the_batch_and_of_the_prompts(numbers: dict[str, int], fill: float, reused: float) -> None:
    page = lines(**numbers)
    assert (page["batch_fill"], page["prefix_hit_rate"]) == (fill, reused)


def test_every_figure_of_the_engine_is_on_the_page() -> None:
    numbers = {name: place for place, name in enumerate(EngineStats.__dataclass_fields__, 1)}
    page = lines(**numbers)
    assert {name: page[name if name in GAUGES else f"{name}_total"] for name in numbers} == numbers
    assert numbers.keys() == GAUGES.keys() | COUNTERS.keys()


def test_durations_are_told_apart_at_these_seconds() -> None:
    """Dashboards name them: 0.01 s is one of a page without a text, two minutes one of a long answer."""
    engine: Any = Counted()
    metrics = Metrics(engine, by_adapter=False)
    metrics.first_token.observe(0)
    metrics.requests.labels("copy", "200").observe(0)
    page = metrics.page().decode().splitlines()
    found = {
        name: [line.split('le="')[1].split('"')[0] for line in page if f"_{name}_seconds_bucket" in line]
        for name in ("first_token", "request")
    }
    assert found == {
        "first_token": ["0.05", "0.1", "0.2", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "60.0", "+Inf"],
        "request": [
            *("0.01", "0.05", "0.2", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "60.0", "120.0", "+Inf")
        ],
    }


@pytest.mark.parametrize("by_adapter", [True, False])
def test_brands_are_counted_only_where_they_may_be_named(by_adapter: bool) -> None:
    engine: Any = Counted()
    metrics = Metrics(engine, by_adapter=by_adapter)
    for _ in range(2):
        metrics.count_request("tidal", "soap")
    line = b'lora_marketing_adapter_requests_total{brand="tidal",line="soap"} 2.0'
    assert (line in metrics.page()) == by_adapter == (b"tidal" in metrics.page())
