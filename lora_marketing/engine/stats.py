"""An engine's counters and its present load, as numbers for a metrics page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineStats:
    """Counters since the engine began, and its present load.

    Counters: `steps` (forwards that wrote a token per row), `tokens_written`, `prompt_tokens_computed`
    and `prompt_tokens_reused` (taken from the prefix cache), `adapter_loads` (disk to a slot),
    `adapter_load_seconds` (their sum), `rows_finished`, `rows_paused` (to make room for other clients).
    Now: `rows_running`, `rows_waiting`, `max_rows`, `adapters_resident`, `prefix_bytes`,
    `prefix_limit_bytes`, `kv_bytes`.
    """

    steps: int
    tokens_written: int
    prompt_tokens_computed: int
    prompt_tokens_reused: int
    adapter_loads: int
    adapter_load_seconds: float
    rows_finished: int
    rows_running: int
    rows_waiting: int
    rows_paused: int
    max_rows: int
    adapters_resident: int
    prefix_bytes: int
    prefix_limit_bytes: int
    kv_bytes: int
