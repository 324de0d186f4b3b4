"""A registry and keys for all tests of serving; servers for those that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lora_marketing.serving.keys import SCOPES, add_key
from tests.serving.making import NAMES, Running, publish, serving


@dataclass(frozen=True)
class World:
    """Three brands' adapters; a key for two of the brands, and one for the third, for everything."""

    root: Path
    keys: Path
    ours: str
    theirs: str


def make_world(folder: Path) -> World:
    root, keys = folder / "adapters", folder / "keys.json"
    for name in NAMES:
        publish(root, name)
    return World(
        root,
        keys,
        ours=add_key(keys, "ours", ["ember", "tidal"], scopes=SCOPES),
        theirs=add_key(keys, "theirs", ["lumen"], scopes=SCOPES),
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world that a test may change."""
    return make_world(tmp_path)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Running]]:
    """A server that tests only ask."""
    found = make_world(tmp_path_factory.mktemp("shared"))
    with serving(found.root, keys=found.keys) as running:
        yield found, running
