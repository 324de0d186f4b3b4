"""The metrics page: the engine's own figures, and what requests cost. Labels name no brand and no key."""

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
}


class EngineFigures(Collector):
    """Asks the engine when the page is read."""

    def __init__(self, engine: WritingEngine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Every figure, and the two shares that people look at first."""
        found = self._engine.figures()
        for name, help in GAUGES.items():
            yield GaugeMetricFamily(f"{PREFIX}_{name}", help, getattr(found, name))
        for name, help in COUNTERS.items():
            yield CounterMetricFamily(f"{PREFIX}_{name}", help, getattr(found, name))
        fill = found.rows_running / found.max_rows if found.max_rows else 0
        yield GaugeMetricFamily(f"{PREFIX}_batch_fill", "Share of the batch that is in use.", fill)
        prompt = found.prompt_tokens_computed + found.prompt_tokens_reused
        share = found.prompt_tokens_reused / prompt if prompt else 0
        yield GaugeMetricFamily(f"{PREFIX}_prefix_hit_rate", "Share of prompt tokens reused.", share)


class Metrics:
    """Figures in a registry of their own.

    Args:
        engine: asked for its figures whenever the page is read.
        by_adapter: also count requests by brand and line. The page needs no key, so whoever can
            read it then learns the names.
    """

    def __init__(self, engine: WritingEngine, *, by_adapter: bool) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(EngineFigures(engine))
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

    def count(self, brand: str, line: str) -> None:
        """Note a request for an adapter, if that is wanted."""
        if self._adapters:
            self._adapters.labels(brand, line).inc()

    def page(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self._registry)
