"""Grammars of the JSON schemas that clients send: tried in another process, then kept for later requests."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from lora_marketing.serving.errors import ApiError, invalid
from lora_marketing.serving.limits import GrammarLimits
from lora_marketing.serving.schema import ANY_OBJECT
from lora_marketing.serving.turns import Turns
from lora_marketing.serving.worker_process import WorkerProcess

if TYPE_CHECKING:
    from lora_marketing.engine.base import LoadedBase
    from lora_marketing.engine.constraints.grammar import JsonGrammar

    InThread = Callable[[Callable[[], Any], str], Awaitable[Any]]

MODULE = "lora_marketing.serving.grammar_process"
REFUSALS = 1000
"""Schemas that were refused and are remembered, so that they cost nothing when they are sent again."""
GRAMMAR_BYTES, BYTES_PER_LETTER = 512 << 10, 256
"""What a grammar counts for in memory: so much, and so much for each letter of its schema. An estimate on the
safe side: 3,000 properties in 80 kB of schema took 15 MB."""


class Grammars:
    """Compiles schemas, and keeps the grammars. Used from one event loop.

    Args:
        base: whose tokens the grammars are made of.
        in_thread: runs a function in a thread, for a client.
        limits: what a schema may take.
    """

    def __init__(self, base: LoadedBase, in_thread: InThread, limits: GrammarLimits | None = None) -> None:
        self._base = base
        self._in_thread = in_thread
        self._limits = limits or GrammarLimits()
        # now and once: it holds up every thread, for a second with a large tokenizer
        setup = _setup(base, self._limits)
        self._processes = [WorkerProcess(MODULE, lambda: setup) for _ in range(self._limits.processes)]
        self._free = asyncio.LifoQueue[WorkerProcess]()
        for process in self._processes:
            self._free.put_nowait(process)
        self._turns = Turns()
        self._kept: OrderedDict[str, tuple[JsonGrammar, int]] = OrderedDict()
        self._refused: OrderedDict[str, str] = OrderedDict()

    async def grammar(self, schema: Mapping[str, Any], client: str) -> JsonGrammar:
        """The grammar of a schema. Cancelled, it ends what it began.

        Args:
            schema: as the client sent it.
            client: the id of the client's key; its schemas are tried one after the other.

        Raises:
            ApiError: 400 if the schema is broken, too large, or takes too much time or memory.
        """
        text = json.dumps(schema)
        if len(text) > self._limits.schema_bytes:
            raise _refusal(f"this JSON schema has more than {self._limits.schema_bytes:,} bytes")
        key = sha256(text.encode()).hexdigest()
        async with self._turns.of(client):
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
            if key not in self._refused:
                problem = None if schema == ANY_OBJECT else await self._try(text)
                if problem is None:
                    return await self._compile(key, schema, text, client)
                self._refuse(key, problem)
            raise _refusal(self._refused[key])

    @property
    def fails(self) -> bool:
        """Whether a process that tries schemas cannot be started."""
        return any(process.fails for process in self._processes)

    async def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            await process.end()

    async def _try(self, text: str) -> str | None:
        process = await self._free.get()
        try:
            answer = await process.ask(text.encode(), self._limits.seconds)
        except TimeoutError:
            return f"this JSON schema takes more than {self._limits.seconds} seconds to compile"
        finally:
            self._free.put_nowait(process)
        if not answer:
            most = self._limits.memory_bytes >> 20
            return f"this JSON schema takes more than {most} MiB of memory to compile"
        problem: str | None = json.loads(answer)["problem"]
        return problem

    async def _compile(self, key: str, schema: Mapping[str, Any], text: str, client: str) -> JsonGrammar:
        from lora_marketing.engine.constraints.grammar import JsonGrammar

        grammar: JsonGrammar = await self._in_thread(lambda: JsonGrammar(schema, self._base), client)
        self._kept[key] = grammar, GRAMMAR_BYTES + BYTES_PER_LETTER * len(text)
        while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > self._limits.cache_bytes:
            self._kept.popitem(last=False)
        return grammar

    def _refuse(self, key: str, problem: str) -> None:
        self._refused[key] = problem
        if len(self._refused) > REFUSALS:
            self._refused.popitem(last=False)


def _setup(base: LoadedBase, limits: GrammarLimits) -> bytes:
    tokenizer = copy(base.tokenizer.backend_tokenizer)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    setup = {
        "tokenizer": tokenizer.to_str(),
        "stop_ids": sorted(base.stop_ids),
        "seconds": limits.seconds,
        "memory_bytes": limits.memory_bytes,
    }
    return json.dumps(setup).encode()


def _refusal(problem: str) -> ApiError:
    return invalid(f"response_format: {problem}", "response_format", "invalid_schema")
