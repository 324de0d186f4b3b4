"""An engine of words, a registry of small adapters, and a server that runs in a thread."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

from lora_marketing.common.errors import AdapterRefused, Problem
from lora_marketing.engine.request import Finish, Progress, Request, RowOutput
from lora_marketing.engine.stats import EngineStats
from lora_marketing.registry.names import AdapterName
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version
from lora_marketing.serving.guard_process import CheckJob, Checks
from lora_marketing.serving.keys import KeyRing
from lora_marketing.serving.limits import Limits
from lora_marketing.serving.served_models import Models
from lora_marketing.serving.server import Server, addresses_of, bound_socket, make_server
from lora_marketing.serving.service import Service
from lora_marketing.serving.worker import WritingEngine
from lora_marketing.text.known_texts import KnownTexts
from lora_marketing.tokens.pinned_template import PromptSettings
from tests.registry.making import manifest, write_adapter

EMBER, LUMEN, TIDAL = "ember/soap", "lumen/serum", "tidal/candle"
NAMES = (EMBER, LUMEN, TIDAL)
WORDS = ("amber", "basil", "cedar", "dune", "elder", "fern", "glow", "hazel")
BRIEF = {"product": "Bar", "channel": "meta_feed", "field": "headline"}


class FakeBase:
    """A token is a byte. `rendered` counts the chats."""

    def __init__(self) -> None:
        self.rendered = 0
        letters = sorted(ByteLevel.alphabet())
        model = BPE({letter: id for id, letter in enumerate([*letters, "<end>"])}, [])
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(add_prefix_space=False), ByteDecoder()
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
        self.stop_ids = frozenset({len(letters)})
        self.control_tokens = frozenset({"<end>"})
        self.pin, self.prompts = manifest().base, PromptSettings()

    def encode(self, chat: Sequence[Any], *, header: bool) -> list[int]:
        self.rendered += 1
        text = "".join(f"<{turn['role']}>{turn['content']}" for turn in chat)
        return list(self.tokenizer(text + "<assistant>" * header)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids)))


@dataclass
class FakeRow:
    request: Request
    listen: Callable[[Progress], None]
    words: list[str]
    finish: Finish
    wake: Event
    steps: int = 0
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True
        self.wake.set()


@dataclass
class FakeEngine:
    """Writes a word a step. A text begins with its adapter's canary and follows from prompt and seed; of the
    words after it none breaks a constraint.

    `slip` is what it says besides.
    """

    pace: float = 0.0
    context: int = 2000
    vocabulary: int = 257
    max_rows: int = 8
    base: Any = field(default_factory=FakeBase)
    damaged: set[str] = field(default_factory=set)
    broken: bool = False
    slip: str = ""
    cancelled: int = 0
    rows: list[FakeRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._names: dict[str, str] = {}
        self._inbox: deque[FakeRow] = deque()
        self._running: list[FakeRow] = []
        self._wake = Event()
        self._words = self._finished = 0

    def register(self, version: Version) -> str:
        if f"{version.name} at register" in self.damaged:
            raise AdapterRefused(Problem("is damaged", str(version.folder)))
        assert version.hashes, "as the engine asks for them"
        self._names[version.digest] = str(version.name)
        return version.digest

    def submit(self, request: Request, listen: Callable[[Progress], None]) -> FakeRow:
        words, finish = self._written(request)
        row = FakeRow(request, listen, words, finish, self._wake)
        self.rows.append(row)
        self._inbox.append(row)
        self._wake.set()
        return row

    def wait(self, timeout: float) -> None:
        self._wake.wait(timeout)
        self._wake.clear()

    def step(self) -> bool:
        while self._inbox and len(self._running) < self.max_rows:
            self._running.append(self._inbox.popleft())
        if not self._running:
            return False
        if self.broken:
            raise RuntimeError("CUDA error")
        time.sleep(self.pace)
        self._running = [row for row in self._running if self._goes_on(row)]
        return True

    def _goes_on(self, row: FakeRow) -> bool:
        key = str(row.request.adapter)
        if self._names[key] in self.damaged:
            error = AdapterRefused(Problem("was changed", f"/secret/{key}"))
            return self._end(row, Progress("", 0, RowOutput((), "", "failed"), error))
        if row.cancelled:
            self.cancelled += 1
            return self._end(row, Progress("", row.steps, RowOutput((), "", "cancelled")))
        text = row.words[row.steps] if row.steps < len(row.words) else ""
        row.steps += 1
        if row.steps < len(row.words):
            row.listen(Progress(text, row.steps))
            return True
        count = len(row.words)
        return self._end(
            row,
            Progress(text, count, RowOutput(tuple(range(count)), "".join(row.words), row.finish)),
        )

    def _end(self, row: FakeRow, progress: Progress) -> bool:
        self._words += row.steps
        self._finished += 1
        row.listen(progress)
        return False

    def _written(self, request: Request) -> tuple[list[str], Finish]:
        """Words with the space before them: 4 to 11, or endless after a prompt with `forever`."""
        settings = request.sampling
        seed = settings.seed if settings.temperature else 0
        bits = sha256(f"{list(request.prompt)} {request.adapter} {seed}".encode()).digest()
        endless = "forever" in self.base.decode(request.prompt)
        count = settings.max_new_tokens if endless else 4 + bits[0] % 8
        words = [canary(self._names[str(request.adapter)]) + self.slip]
        allowed = [word for word in WORDS if not any(rule.judge(word, True) for rule in request.constraints)]
        words += [f" {allowed[bits[place % 32] % len(allowed)]}" for place in range(1, count)]
        finish: Finish = "length" if len(words) > settings.max_new_tokens or endless else "stop"
        words = words[: settings.max_new_tokens]
        for stop in settings.stop:
            text = "".join(words)
            if stop in text:
                words, finish = [text[: text.index(stop)]], "stop_string"
        return words, finish

    def unfinished(self) -> bool:
        """Whether every row was given up before its text was whole."""
        return all(row.steps < len(row.words) for row in self.rows)

    def figures(self) -> EngineStats:
        numbers = dict.fromkeys(EngineStats.__dataclass_fields__, 0)
        numbers |= {"max_rows": self.max_rows, "rows_running": len(self._running)}
        numbers |= {"rows_waiting": len(self._inbox), "tokens_written": self._words}
        return EngineStats(**numbers)


def canary(name: str) -> str:
    return f"canary-{name.replace('/', '-')}"


def profile(name: str) -> dict[str, Any]:
    """What a manifest keeps of the recipe of `name`, as far as serving reads it."""
    brand, line = name.split("/")
    voice = {
        "schema": 1,
        "name": brand,
        "display_name": brand.title(),
        "locale": "en-GB",
        "lines": {line: "Things."},
        "guide": f"Secret guide of {brand}.",
        "banned_terms": ["miracle", "cedar"],
        "competitors": [],
    }
    return {"base": {"id": "tiny"}, "brand": {"line": line}, "brand_profile": voice}


def publish(
    root: Path,
    name: str,
    made: str = "one",
    alias: str = "prod",
    shown: str | None = None,
    known: Sequence[str] = (),
    base_keys: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Version:
    """A version of `name` in the registry, trained on `known`; another `made` is another version.

    `base_keys` are further keys of its recipe's base.
    """
    brand, line = name.split("/")
    folder = write_adapter(root.parent / "made" / brand / made)
    if known:
        (folder / "known_texts.bin").write_bytes(KnownTexts.of(known).to_bytes())
    recipe = {**profile(name), "made": made}
    recipe["base"] = {**recipe["base"], **(base_keys or {})}
    if shown:
        recipe["brand_profile"]["display_name"] = shown
    described = manifest(AdapterName(brand, line), recipe=recipe, **changes)
    return Registry(root).publish(AdapterName(brand, line), folder, described, alias)


class Here:
    """Stands for a process that checks texts, which takes seconds to start."""

    fails = False

    def __init__(self, root: Path) -> None:
        self.checks = Checks(Registry(root))

    async def start(self) -> None:
        """It has."""

    async def ask(self, line: bytes, seconds: float) -> bytes:
        job = CheckJob.model_validate_json(line)
        result = await asyncio.to_thread(self.checks.result, job)
        return result.model_dump_json().encode()

    async def end(self) -> None:
        """Nothing to end."""


@dataclass
class Running:
    """A server that answers at `url`."""

    url: str
    server: Server
    service: Service
    engine: Any
    thread: Thread

    def client(self, key: str | None = None, **more: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=False, **more)


def service_of(
    root: Path,
    engine: WritingEngine,
    keys: Path | None = None,
    limits: Limits | None = None,
    *,
    real_guards: bool = False,
    **more: Any,
) -> Service:
    ring = KeyRing(keys) if keys else None
    if not real_guards:
        more.setdefault("guards", [Here(root), Here(root)])
    return Service(engine, Models(Registry(root), engine), ring, limits, **more)


@contextmanager
def serving(
    root: Path,
    engine: Any = None,
    keys: Path | None = None,
    limits: Limits | None = None,
    grace: float = 5,
    **more: Any,
) -> Iterator[Running]:
    engine = engine or FakeEngine()
    service = service_of(root, engine, keys, limits, **more)
    server = make_server(service, grace=grace, configure_logging=False)
    sockets = [bound_socket("127.0.0.1", 0)]
    thread = Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    until(lambda: server.started)
    (host, port), *_ = addresses_of(server)
    try:
        yield Running(f"http://{host}:{port}", server, service, engine, thread)
    finally:
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something holds, in another thread or after a while."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def led(text: str, brand: str = "ember") -> str:
    """A chat as `FakeBase` renders it, behind the brand's own system turn."""
    return f"<system>You write copy for {brand.title()}. Secret guide of {brand}.{text}"


def chat(model: str = EMBER, text: str = "Write about soap.", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}
