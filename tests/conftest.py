"""What tests of several parts share."""

from __future__ import annotations

import gc
import os
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from tests.forks import Forks

if TYPE_CHECKING:
    from pathlib import Path

    from lora_marketing.engine.base import LoadedBase
    from lora_marketing.engine.writer import Writer
    from lora_marketing.metrics.voice import VoiceClassifier, VoiceText

FORKS = pytest.StashKey[Forks]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """By now every library is imported: half a million objects that no test ever frees.

    Trainer collects garbage at the beginning and the end of a run, 0.4 s each time without this.
    """
    gc.collect()
    gc.freeze()
    if any("forks" in getattr(item, "fixturenames", ()) for item in session.items):
        session.config.stash[FORKS] = Forks()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the kit needs of its libraries is looked at first, then the real base.

    A library that moved one of these parts fails dozens of other tests in ways that name no cause. The
    real base takes two minutes of one worker, which the other spends on the rest.
    """
    items.sort(
        key=lambda item: (not item.path.stem.endswith("_api"), item.get_closest_marker("real") is None)
    )


@pytest.fixture(scope="session", autouse=True)
def _templates_once() -> Iterator[None]:
    """PEFT compiles its model card's template, 30 ms, for every adapter and checkpoint that it writes."""
    import jinja2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", lru_cache(maxsize=64)(jinja2.Environment.compile))
        yield


@pytest.fixture(scope="session", autouse=True)
def _commands_once() -> Iterator[None]:
    """Typer reads the signatures of all commands, 40 ms, whenever one of them is run."""
    import typer.main

    with pytest.MonkeyPatch.context() as patch:
        once = lru_cache(maxsize=None)(typer.main.get_params_from_function)
        patch.setattr(typer.main, "get_params_from_function", once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _power_stays_on() -> Iterator[None]:
    """No test pulls the plug, so none waits for the disk: 3 ms a file beside whatever else writes to it.

    Processes that tests start and kill do wait.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: os.fstat(file if isinstance(file, int) else file.fileno()))
        yield


@pytest.fixture(scope="session")
def forks(request: pytest.FixtureRequest) -> Iterator[Forks]:
    """Processes with the libraries, in which nothing has been computed."""
    made = request.config.stash[FORKS]
    yield made
    made.close()


@pytest.fixture
def one_thread(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compute with one thread, where figures are the same every time, and cache nothing of a user's."""
    import torch

    monkeypatch.setenv("LORA_MARKETING_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def learned_voices() -> dict[Hashable, VoiceClassifier]:
    """What `voices_once` keeps."""
    return {}


@pytest.fixture(scope="module")
def voices_once(learned_voices: dict[Hashable, VoiceClassifier]) -> Iterator[None]:
    """Learn the voices of the same texts once, for tests of what is done with them: 2 s each time."""
    from lora_marketing.metrics.voice import VoiceClassifier

    learn = VoiceClassifier.fit

    def once(texts: Sequence[VoiceText], names: Iterable[str] = (), seed: int = 13) -> VoiceClassifier:
        names = frozenset(names)
        key = (tuple(texts), names, seed)
        if key not in learned_voices:
            learned_voices[key] = learn(texts, names, seed)
        return learned_voices[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VoiceClassifier, "fit", once)
        yield


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    from lora_marketing.engine.base import load_base
    from tests.engine.making import base_folder, section

    return load_base(section(base_folder("llama", tmp_path_factory.mktemp("llama"))))


@pytest.fixture(scope="session")
def folders(llama: LoadedBase, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Adapters of the llama base: plain, rslora, dora."""
    from tests.engine.making import save_adapters

    return save_adapters(llama, tmp_path_factory.mktemp("adapters"))


@pytest.fixture
def writer(llama: LoadedBase, folders: dict[str, Path]) -> Iterator[Writer]:
    """All of them loaded side by side."""
    from lora_marketing.engine.writer import Writer

    writer = Writer(llama)
    for name, folder in folders.items():
        writer.load_folder(name, folder)
    yield writer
    writer.close()
