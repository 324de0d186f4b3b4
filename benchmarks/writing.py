"""Write for many brands at once, side by side: PEFT's ways, this project's engine, and the bare base.

    python benchmarks/writing.py --rounds 3
    python benchmarks/writing.py --parts throughput --brands 8 --ranks 16 --guides 0 512
    python benchmarks/writing.py --parts switching first-token

throughput: rows of as many brands, greedy, all of the same length, written by
  `peft-sequential` (set_adapter, one brand after the other), `peft-mixed` (adapter_names),
  `peft-one` (one adapter for all rows), `base` (transformers' generate without adapters),
  `engine` (each row its own adapter), `engine-one`, `engine-base`. Ways take turns round by round
  in one process; a round writes everything once, in other words than any before, so nothing is
  cached; but `engine-warm` finds the brands' guides as it wrote behind them before.
switching: milliseconds until an adapter can be written with, from disk (as more are resident) and
  resident, beside PEFT's load_adapter and set_adapter.
first-token: milliseconds to the first token behind a guide that was, or was not, computed before.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lora_marketing.engine.base import LoadedBase
    from lora_marketing.engine.engine import Engine

ROOT = Path(__file__).resolve().parent.parent
WAYS = (
    "base",
    "engine-base",
    "engine",
    "engine-warm",
    "engine-one",
    "peft-one",
    "peft-mixed",
    "peft-sequential",
)
PARTS = ("throughput", "switching", "first-token")


@dataclass(frozen=True)
class Setting:
    """One line of the throughput table: brands, LoRA rank (0: 8 to 64 mixed), guide tokens, rows."""

    brands: int
    rank: int
    guide: int
    rows: int
    tokens: int


@dataclass(frozen=True)
class Measured:
    """Tokens per second of one way in one setting, round by round."""

    setting: Setting
    way: str
    rates: list[float]

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--brands", nargs="+", type=int, default=[1, 8, 64, 256])
    parser.add_argument("--ranks", nargs="+", type=int, default=[16], help="0: 8, 16, 32 and 64 in turn")
    parser.add_argument("--guides", nargs="+", type=int, default=[0, 512])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--tokens", type=int, default=32, help="tokens of every text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes/brands/ember-espresso.yaml")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/writing.json")
    options = parser.parse_args()

    from lora_marketing.cli.quiet import quiet_upstream
    from lora_marketing.engine.base import load_base
    from lora_marketing.recipe import load_recipe

    quiet_upstream()
    base = load_base(load_recipe(options.recipe).recipe.base)
    report: dict[str, Any] = {"date": str(date.today()), "machine": platform.machine()}
    if options.out.is_file():
        report = json.loads(options.out.read_text()) | report
    with TemporaryDirectory() as folder:
        make = AdapterMaker(base, Path(folder))
        if "throughput" in options.parts:
            measured = _throughput(base, make, options)
            again = [(one["setting"], one["way"]) for one in measured]
            kept = [one for one in report.get("throughput", []) if (one["setting"], one["way"]) not in again]
            report["throughput"] = kept + measured
        if "switching" in options.parts:
            report["switching"] = _switching(base, make, options)
        if "first-token" in options.parts:
            report["first_token"] = _first_token(base, make, options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")


class AdapterMaker:
    """Adapters as PEFT saves them, with random weights, made once."""

    def __init__(self, base: LoadedBase, root: Path) -> None:
        self._base = base
        self._root = root

    def folder(self, number: int, rank: int) -> Path:
        """Adapter `number` of `rank` (0: 8, 16, 32, 64 in turn)."""
        import torch
        from safetensors.torch import save_file

        rank = rank or (8, 16, 32, 64)[number % 4]
        folder = self._root / f"rank-{rank}-{number:03}"
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        chance = torch.Generator().manual_seed(number)
        tensors = {}
        for name, (out, inner) in self._base.linear_shapes.items():
            a = torch.randn(rank, inner, generator=chance) / inner**0.5
            b = torch.randn(out, rank, generator=chance) * 0.02
            tensors[f"base_model.model.{name}.lora_A.weight"] = a.bfloat16()
            tensors[f"base_model.model.{name}.lora_B.weight"] = b.bfloat16()
        save_file(tensors, folder / "adapter_model.safetensors")
        config = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "r": rank,
            "lora_alpha": rank,
            "target_modules": sorted({name.rpartition(".")[2] for name in self._base.linear_shapes}),
            "base_model_name_or_path": self._base.pin.id,
        }
        (folder / "adapter_config.json").write_text(json.dumps(config))
        return folder


def _throughput(base: LoadedBase, make: AdapterMaker, options: argparse.Namespace) -> list[dict[str, Any]]:
    settings = [
        Setting(brands, rank, guide, max(8, min(brands, 32)), options.tokens)
        for guide in options.guides
        for rank in options.ranks
        for brands in options.brands
    ]
    found = []
    for setting in settings:
        print(
            f"\n{setting.brands} brands, rank {setting.rank or '8-64'}, guide of {setting.guide} tokens,"
            f" {setting.rows} rows at a time",
            flush=True,
        )
        ways = _ways(base, make, setting, options.ways)
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(options.rounds + 1):
            for way, write in ways.items():
                start = time.perf_counter()
                tokens = write(number)
                if number:  # the first round warms up
                    rates[way].append(tokens / (time.perf_counter() - start))
        measured = [Measured(setting, way, rates[way]) for way in ways]
        found += measured
        _print_rates(measured)
    return [asdict(one) for one in found]


def _print_rates(measured: Sequence[Measured]) -> None:
    limit = max((one.rate for one in measured if one.way in ("base", "engine-base")), default=0.0)
    for one in measured:
        share = f"{one.rate / limit:5.2f} of the bare base" if limit else ""
        print(f"  {one.way:<16} {one.rate:7.1f} tok/s  {share}", flush=True)


def _ways(
    base: LoadedBase, make: AdapterMaker, setting: Setting, wanted: Sequence[str]
) -> dict[str, Callable[[int], int]]:
    """Each way as a function of the round that writes everything and returns how many tokens that was."""
    ways: dict[str, Callable[[int], int]] = {}
    if any(way.startswith("engine") for way in wanted):
        engine = _engine(base, make, setting)
        names = _row_adapters(setting)
        rows: dict[str, list[str | None]] = {
            "engine-base": [None] * len(names),
            "engine": list(names),
            "engine-warm": list(names),
            "engine-one": [names[0]] * len(names),
        }
        for way in (way for way in rows if way in wanted):
            ways[way] = lambda number, way=way: _engine_writes(
                engine, base, setting, rows[way], number, WAYS.index(way)
            )
    if any(not way.startswith("engine") for way in wanted):
        ways |= _peft_ways(base, make, setting, wanted)
    return {way: ways[way] for way in wanted if way in ways}


def _row_adapters(setting: Setting) -> list[str]:
    """The adapter of each row: all brands, again and again until the batch is full."""
    return [f"brand-{row % setting.brands}" for row in range(max(setting.rows, setting.brands))]


def _engine(base: LoadedBase, make: AdapterMaker, setting: Setting) -> Engine:
    from lora_marketing.engine.engine import Engine

    engine = Engine(_endless(base), max_rows=setting.rows, adapter_slots=max(setting.brands, setting.rows))
    for number in range(setting.brands):
        engine.load(f"brand-{number}", make.folder(number, setting.rank))
    return engine


def _endless(base: LoadedBase) -> LoadedBase:
    """A base that never stops by itself: every text has the same length."""
    from dataclasses import replace

    return replace(base, stop_ids=frozenset())


def _prompts(
    base: LoadedBase, setting: Setting, brands: Sequence[str], salt: str, guide_salt: str | None = None
) -> list[list[int]]:
    """A guide per brand, which all its rows share, and 40 tokens of brief per row."""
    vocabulary = range(100, base.model.config.vocab_size)
    guides = {
        name: random.Random(f"{name} {guide_salt or salt}").choices(vocabulary, k=setting.guide)
        for name in brands
    }
    return [
        guides[name] + random.Random(f"{row} {salt}").choices(vocabulary, k=40)
        for row, name in enumerate(brands)
    ]


def _engine_writes(
    engine: Engine, base: LoadedBase, setting: Setting, adapters: Sequence[str | None], number: int, way: int
) -> int:
    from lora_marketing.engine.request import Request
    from lora_marketing.engine.sampling import Sampling

    sampling = Sampling(0, 0.0, 1.0, setting.tokens)
    salt = f"{number} {way}"  # other tokens than any other round's or way's: nothing is cached
    guide_salt = "warm" if WAYS[way] == "engine-warm" else None
    prompts = _prompts(base, setting, _row_adapters(setting), salt, guide_salt)
    before = engine.figures().tokens_written
    for prompt, adapter in zip(prompts, adapters, strict=True):
        engine.submit(Request(prompt, adapter, sampling), lambda progress: None)
    while engine.step():
        pass
    return engine.figures().tokens_written - before


def _peft_ways(
    base: LoadedBase, make: AdapterMaker, setting: Setting, wanted: Sequence[str]
) -> dict[str, Callable[[int], int]]:
    names = _row_adapters(setting)
    model = None
    if any(way.startswith("peft") for way in wanted):
        model = _peft_model(base, make, setting)
    batches = [names[at : at + setting.rows] for at in range(0, len(names), setting.rows)]

    def generate(on: Any, salt: str, adapters: Sequence[str], **mixed: Any) -> int:
        import torch

        prompts = _prompts(base, setting, adapters, salt)
        ids = torch.tensor(prompts, device=base.device)
        with torch.inference_mode():
            out = on.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=setting.tokens,
                min_new_tokens=setting.tokens,
                pad_token_id=base.tokenizer.pad_token_id,
                **mixed,
            )
        return int((out.shape[1] - ids.shape[1]) * len(ids))

    def bare(number: int) -> int:
        return sum(generate(base.model, f"{number} base", batch) for batch in batches)

    def one(number: int) -> int:
        model.set_adapter(names[0], inference_mode=True)
        return sum(generate(model, f"{number} one", batch) for batch in batches)

    def mixed(number: int) -> int:
        return sum(generate(model, f"{number} mixed", batch, adapter_names=batch) for batch in batches)

    def sequential(number: int) -> int:
        total = 0
        for name in dict.fromkeys(names):
            model.set_adapter(name, inference_mode=True)
            own = [row for row in names if row == name]
            total += generate(model, f"{number} sequential", own)
        return total

    every = {"base": bare, "peft-one": one, "peft-mixed": mixed, "peft-sequential": sequential}
    return {way: write for way, write in every.items() if way in wanted}


def _peft_model(base: LoadedBase, make: AdapterMaker, setting: Setting) -> Any:
    from peft import PeftModel

    own = base.with_modules_of_its_own().model
    model = PeftModel.from_pretrained(
        own, make.folder(0, setting.rank), adapter_name="brand-0", autocast_adapter_dtype=False
    )
    for number in range(1, setting.brands):
        folder = make.folder(number, setting.rank)
        model.load_adapter(folder, f"brand-{number}", autocast_adapter_dtype=False)
    return model.eval()


def _switching(base: LoadedBase, make: AdapterMaker, options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds per adapter, in the order they were loaded; and to switch to one that is there."""
    import torch

    count = max(options.brands)
    folders = [make.folder(number, 16) for number in range(count)]
    with torch.inference_mode():  # as in a step
        found = _engine_loads(base, folders)
    few = Setting(min(count, 8), 16, 0, 8, 1)
    peft, times = _peft_loads(base, folders[: few.brands])
    found["peft_load_ms"] = times
    found["peft_switch_ms"] = [
        _milliseconds(lambda name=name: peft.set_adapter(name, inference_mode=True))
        for name in (f"brand-{number}" for number in range(few.brands))
    ]
    print("\nmilliseconds until an adapter can be written with")
    for key, values in found.items():
        marks = [at for at in (1, 2, 8, 64, 256) if at <= len(values)]
        shown = ", ".join(f"{_nth(values, at):.2f} at the {at}." for at in marks)
        print(f"  {key:<18} median {statistics.median(values):.3f}; {shown}", flush=True)
    return found


def _nth(values: Sequence[float], number: int) -> float:
    """The median of a few around the n-th, so that one interruption does not stand for it."""
    return statistics.median(values[max(0, number - 3) : number]) if number > 2 else values[number - 1]


def _engine_loads(base: LoadedBase, folders: Sequence[Path]) -> dict[str, list[float]]:
    """From disk into memory that was never used, from disk into a slot as a running server has it (its
    digest checked both times), and resident."""
    import gc

    from lora_marketing.common.files import file_sha256
    from lora_marketing.engine.engine import Engine
    from lora_marketing.registry.files import CONFIG, WEIGHTS, FileHashes

    engine = Engine(base, adapter_slots=len(folders), host_bytes=0)
    slots = engine._slots
    names = [f"brand-{number}" for number in range(len(folders))]
    for name, folder in zip(names, folders, strict=True):
        hashes = FileHashes(file_sha256(folder / CONFIG), file_sha256(folder / WEIGHTS))
        slots.register(name, folder, hashes)
    gc.collect()
    gc.freeze()  # as `serve` does
    found = {"engine_first_ms": [_milliseconds(lambda name=name: _take_turn(engine, name)) for name in names]}
    for name in names:
        slots.forget(name)
    found["engine_load_ms"] = [_milliseconds(lambda name=name: _take_turn(engine, name)) for name in names]
    found["engine_switch_ms"] = [_milliseconds(lambda name=name: _take_turn(engine, name)) for name in names]
    return found


def _take_turn(engine: Engine, name: str) -> None:
    from lora_marketing.engine.stacked_lora import Groups

    slot = engine._slots.hold(name)
    Groups.of([slot], engine._slots.ranks, engine.base.device)
    engine._slots.let_go(name)


def _peft_loads(base: LoadedBase, folders: Sequence[Path]) -> tuple[Any, list[float]]:
    from peft import PeftModel

    own = base.with_modules_of_its_own().model
    start = time.perf_counter()
    model = PeftModel.from_pretrained(own, folders[0], adapter_name="brand-0", autocast_adapter_dtype=False)
    times = [(time.perf_counter() - start) * 1e3]
    for number, folder in enumerate(folders[1:], start=1):
        times.append(
            _milliseconds(
                lambda folder=folder, number=number: model.load_adapter(
                    folder, f"brand-{number}", autocast_adapter_dtype=False
                )
            )
        )
    return model, times


def _first_token(base: LoadedBase, make: AdapterMaker, options: argparse.Namespace) -> dict[str, list[float]]:
    """Milliseconds from submitting one row to its first token, behind a guide of 512 tokens."""
    setting = Setting(1, 16, 512, 8, 1)
    engine = _engine(base, make, setting)
    found: dict[str, list[float]] = {"uncached_ms": [], "cached_ms": []}
    for number in range(options.rounds + 1):
        first, second = _prompts(base, setting, ["brand-0", "brand-0"], f"first {number}")
        for key, prompt in (("uncached_ms", first), ("cached_ms", second)):
            took = _first_token_ms(engine, prompt)
            if number:
                found[key].append(took)
    medians = {key: statistics.median(values) for key, values in found.items()}
    share = medians["cached_ms"] / medians["uncached_ms"]
    print(
        f"\nfirst token behind a guide of 512 tokens: {medians['uncached_ms']:.0f} ms,"
        f" {medians['cached_ms']:.0f} ms where it is cached ({share:.2f})",
        flush=True,
    )
    return found


def _first_token_ms(engine: Engine, prompt: Sequence[int]) -> float:
    from lora_marketing.engine.request import Request
    from lora_marketing.engine.sampling import Sampling

    heard: list[float] = []
    start = time.perf_counter()
    request = Request(prompt, "brand-0", Sampling(0, 0.0, 1.0, 1))
    engine.submit(request, lambda progress: heard.append(time.perf_counter()))
    while engine.step():
        pass
    return (heard[0] - start) * 1e3


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    sys.exit(main())
