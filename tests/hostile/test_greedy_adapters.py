"""An adapter that asks for too much is refused alone, in bounded time, and the others go on as before."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from lora_marketing.common.errors import AdapterRefused, nearest
from lora_marketing.engine.adapter_slots import AdapterSlots
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.engine import Engine
from lora_marketing.engine.request import Progress, Request, RowOutput
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.slot_memory import SlotMemory
from lora_marketing.registry import check_adapter
from lora_marketing.registry.lora_config import config_problems
from tests.engine.making import ALL, KINDS, Kind, base_folder, prompts, save_adapter, save_adapters, section

GREEDY = Sampling(1, 0.0, 1.0, 6)
FAT = Kind(ALL, rank=600, seed=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load_base(section(base_folder("llama", tmp_path_factory.mktemp("base"))))


@pytest.fixture(scope="module")
def folders(base: LoadedBase, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("adapters")
    return save_adapters(base, root) | {"fat": save_adapter(base, FAT, root / "fat")}


def run(engine: Engine, requests: Sequence[Request]) -> list[Progress]:
    heard: list[list[Progress]] = [[] for _ in requests]
    for request, listen in zip(requests, heard, strict=True):
        engine.submit(request, listen.append)
    while engine.step():
        pass
    return [one[-1] for one in heard]


def asked(base: LoadedBase, *voices: str | None) -> list[Request]:
    return [Request(prompts(base, [7])[0], voice, GREEDY) for voice in voices]


def known(base: LoadedBase, folders: dict[str, Path], **options: int) -> Engine:
    engine = Engine(base, **options)
    for name, folder in folders.items():
        engine._slots.register(name, folder)
    return engine


def room(base: LoadedBase, rank: int, slots: int) -> int:
    """Bytes of so many slots on all layers."""
    return slots * rank * 4 * sum(sum(shape) for shape in base.linear_shapes.values())


def test_a_large_rank_is_refused_alone(base: LoadedBase, folders: dict[str, Path]) -> None:
    wanted = [one.written for one in run(known(base, folders), asked(base, *KINDS, None))]
    engine = known(base, folders, slot_bytes=room(base, 7, 8))
    engine.prepare()
    found = run(engine, asked(base, "fat", *KINDS, None))
    assert [one.written for one in found[1:]] == wanted
    error = found[0].error
    assert isinstance(error, AdapterRefused)
    needed, allowed = room(base, 600, 5), room(base, 7, 8)
    for part in ("rank 600", f"{needed:,} bytes", f"{allowed:,} bytes", "lower lora.rank"):
        assert part in str(error)


def test_a_large_rank_that_fits_gives_way(base: LoadedBase, folders: dict[str, Path]) -> None:
    """It is written with; when others need the memory, it is the first to leave its slot."""
    wanted = {name: run(known(base, folders), asked(base, name))[0].written for name in folders}
    engine = known(base, folders, slot_bytes=room(base, 600, 5), adapter_slots=6)
    for number in range(3):
        for name in folders:
            engine._slots.register(f"{name}-{number}", folders[name])
    order = [f"{name}-{number}" for number in range(3) for name in folders] + ["fat", *KINDS]
    for at in range(0, len(order), 5):
        found = run(engine, asked(base, *order[at : at + 5]))
        assert [one.written for one in found] == [
            wanted[name.partition("-")[0]] for name in order[at : at + 5]
        ]
    memory = engine._slots._memory
    assert (
        memory.bytes_for(memory._reach, memory._together(0, next(iter(memory._held.values()))))
        <= memory.allowed
    )


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("not enough memory: you tried to allocate")])
@pytest.mark.parametrize("where", ["_empty", "fill"])
def test_memory_that_cannot_be_had_is_one_adapters_failure(
    base: LoadedBase, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, error: Exception, where: str
) -> None:
    engine = known(base, folders)
    voices = ("plain", "rslora", None)
    wanted = [one.written for one in run(engine, asked(base, *voices))]

    def fail(*arguments: object) -> torch.Tensor:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(SlotMemory, where, fail)
        found = run(engine, asked(base, "plain", "fat", "rslora", None))
    assert isinstance(found[1].error, AdapterRefused)
    assert "no memory" in str(found[1].error)
    assert [found[0].written, found[2].written, found[3].written] == wanted
    assert isinstance(run(engine, asked(base, "fat"))[0].written, RowOutput), "there may be memory later"
    assert run(engine, asked(base, "fat"))[0].error is None
    assert [one.written for one in run(engine, asked(base, *voices))] == wanted


def copied(folder: Path, target: Path) -> Path:
    target.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (target / name).write_bytes((folder / name).read_bytes())
    return target


def test_a_file_that_grew_takes_no_memory(base: LoadedBase, folders: dict[str, Path], tmp_path: Path) -> None:
    """60 GB of nothing: more than there is memory."""
    grown = copied(folders["plain"], tmp_path / "grown")
    os.truncate(grown / "adapter_model.safetensors", 60 * 10**9)
    begun = time.monotonic()
    engine = known(base, {"grown": grown, **folders})
    found = run(engine, asked(base, "grown", "plain"))
    assert time.monotonic() - begun < 10
    assert "60,000,000,000 bytes" in str(found[0].error)
    assert found[1].error is None


def test_many_unknown_keys_are_told_shortly_and_once(
    base: LoadedBase, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = copied(folders["plain"], tmp_path / "bad")
    path = bad / "adapter_config.json"
    config = json.loads(path.read_text())
    begun = time.monotonic()
    problems = config_problems(config | {f"lora_alphb{number}": 1 for number in range(60_000)}, "here")
    assert time.monotonic() - begun < 2
    assert len(problems) == 21
    assert "59,980 more" in str(problems[-1])
    path.write_text(json.dumps(config | {f"k{number}": 1 for number in range(60_000)}))
    with pytest.raises(AdapterRefused, match="too large"):
        check_adapter(bad, base.linear_shapes)
    engine = known(base, {"bad": bad})
    first = run(engine, asked(base, "bad"))[0].error
    with monkeypatch.context() as patch:
        patch.setattr(AdapterSlots, "_read", None)  # nothing is read again
        second = run(engine, asked(base, "bad"))[0].error
    assert isinstance(first, AdapterRefused)
    assert str(first) == str(second)
    path.write_text(json.dumps(config))
    assert run(engine, asked(base, "bad"))[0].error is None, "the files were changed"


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("lora_alphb", [f"lora_alpha{number}" for number in range(60_000)]),
        ("a" * 100_000, ["a" * 63, "b"]),
        ("a" * 100_000, ["a" * 100_000 + str(number) for number in range(50)]),
        ("ab" * 50, ["ba" * 32 + str(number) for number in range(2_000)]),
    ],
)
def test_the_nearest_name_is_found_in_bounded_time(name: str, names: list[str]) -> None:
    begun = time.monotonic()
    said = nearest(name, names)
    assert time.monotonic() - begun < 1.5
    assert len(said) < 10_000
