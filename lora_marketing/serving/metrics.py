"""Prometheus metrics: the engine's counters and the requests' durations. Labels name no brand or key."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lora_marketing.serving.worker import WritingEngine

PREFIX = "lora_marketing"
FIRST_TOKEN = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
REQUEST = (0.01, 0.05, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)

GAUGES = {
    "rows_running": "Rows that are written now.",
    "rows_waiting": "Rows in the queue.",
    "max_rows": "Rows that can be written at once.",
    "adapters_resident": "Adapters in the engine's slots.",
    "prefix_bytes": "Memory of kept prompt prefixes.",
    "prefix_limit_bytes": "Most memory for kept prompt prefixes.",
    "kv_bytes": "Memory of the keys and values of running rows.",
}
COUNTERS = {
    "steps": "Forwards that wrote a token per row.",
    "tokens_written": "Tokens written.",
    "prompt_tokens_computed": "Prompt tokens computed.",
    "prompt_tokens_reused": "Prompt tokens taken from kept prefixes.",
    "adapter_loads": "Adapters brought from the disk to a slot.",
    "adapter_load_seconds": "Seconds spent on bringing adapters to slots.",
    "rows_finished": "Rows that ended.",
    "rows_paused": "Rows that made room for those of other clients, and were computed again.",
}


class EngineCollector(Collector):
    """Reads the engine's counters and gauges whenever the page is read."""

    def __init__(self, engine: WritingEngine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Every counter and gauge, and the two shares that people look at first."""
        stats = self._engine.figures()
        for name, help in GAUGES.items():
            yield GaugeMetricFamily(f"{PREFIX}_{name}", help, getattr(stats, name))
        for name, help in COUNTERS.items():
            yield CounterMetricFamily(f"{PREFIX}_{name}", help, getattr(stats, name))
        fill = stats.rows_running / stats.max_rows if stats.max_rows else 0
        yield GaugeMetricFamily(f"{PREFIX}_batch_fill", "Share of the batch that is in use.", fill)
        prompt = stats.prompt_tokens_computed + stats.prompt_tokens_reused
        share = stats.prompt_tokens_reused / prompt if prompt else 0
        yield GaugeMetricFamily(f"{PREFIX}_prefix_hit_rate", "Share of prompt tokens reused.", share)


class Metrics:
    """All metrics of one server, in a registry of their own.

    Args:
        engine: read whenever the page is.
        by_adapter: also count requests by brand and line. Whoever may read the page then learns the names,
            whatever brands their key opens.
    """

    def __init__(self, engine: WritingEngine, *, by_adapter: bool) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(EngineCollector(engine))
        self.first_token = Histogram(
            f"{PREFIX}_first_token_seconds",
            "From acceptance to the first text.",
            buckets=FIRST_TOKEN,
            registry=self._registry,
        )
        self.requests = Histogram(
            f"{PREFIX}_request_seconds",
            "From acceptance to the end of the answer.",
            ["endpoint", "status"],
            buckets=REQUEST,
            registry=self._registry,
        )
        self._adapters = None
        if by_adapter:
            help = "Requests by adapter."
            labels = ["brand", "line"]
            self._adapters = Counter(f"{PREFIX}_adapter_requests", help, labels, registry=self._registry)

    def count_request(self, brand: str, line: str) -> None:
        """Count a request for an adapter, if adapters are named."""
        if self._adapters:
            self._adapters.labels(brand, line).inc()

    def page(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self._registry)
