"""Moves of aliases: claimed by one, told whole, and the same after a kill at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lora_marketing.common.errors import RegistryError
from lora_marketing.registry import AdapterRef, Registry, Version
from lora_marketing.registry.history import GateRecord, Move
from lora_marketing.registry.moves import latest_state
from tests.registry.making import NAME, manifest, write_adapter

ROOT = Path(__file__).parents[2]
ROUNDS, PROCESSES = 30, 4

MANY = """
import sys
from pathlib import Path
from lora_marketing.common.errors import RegistryError
from lora_marketing.registry import AdapterName, AdapterRef, Registry
from lora_marketing.registry.history import GateRecord

registry, name = Registry(Path(sys.argv[1])), AdapterName("ember", "soap")
own = sys.argv[2]
for line in sys.stdin:
    against, ungated = line.split()
    gate = GateRecord(passed=True, forced=False, against=against, evaluation_sha256=None, checks=[])
    try:
        registry.promote(AdapterRef(name, digest=own), "prod", "gated", gate)
        print("moved", flush=True)
    except RegistryError as error:
        print("moved since" if "has moved since" in str(error) else error, flush=True)
    registry.promote(AdapterRef(name, digest=own), ungated, "free")
"""


def published(registry: Registry, folder: Path, count: int) -> list[Version]:
    adapter = write_adapter(folder / "run")
    return [registry.publish(NAME, adapter, manifest(seed=seed)) for seed in range(count)]


def chain(moves: Sequence[Move], alias: str) -> list[str]:
    """What an alias meant, one after the other; every move begins where the one before ended."""
    own = [move for move in moves if move.alias == alias]
    assert [move.source for move in own] == [None, *(move.target for move in own[:-1])]
    return [move.target for move in own]


def test_of_many_gated_moves_at_one_moment_one_passes(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "adapters")
    first, *versions = published(registry, tmp_path, PROCESSES + 1)
    registry.promote(AdapterRef(NAME, digest=first.digest), "prod")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MANY, str(registry.root), version.digest],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for version in versions
    ]
    passed = 0
    for number in range(ROUNDS):
        against = registry.aliases(NAME)["prod"]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{against} free-{number % 3}\n")
            process.stdin.flush()
        said = [process.stdout.readline().strip() for process in processes if process.stdout]
        # who finds the alias at its own version already has nothing to move
        assert said.count("moved") == 1, said
        assert said.count("moved since") == PROCESSES - 1
        passed += 1
        registry.promote(AdapterRef(NAME, digest=first.digest), "prod", "next round")
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    history = registry.history(NAME)
    assert len(chain(history, "prod")) == 1 + 2 * passed
    for alias, digest in registry.aliases(NAME).items():
        assert chain(history, alias)[-1] == digest
        assert (registry.root / f"ember/soap/aliases/{alias}").read_text() == f"{digest}\n"


KILLED = """
import os, signal, sys
from pathlib import Path
from lora_marketing.registry import AdapterName, AdapterRef, Registry

root, target = Path(sys.argv[1]), sys.argv[2]
STEPS = ("mkdir", "rename", "replace", "open", "fsync", "link", "unlink", "rmdir", "chmod", "fchmod")

def main(limit):
    calls = 0
    def counted(real):
        def step(*arguments, **named):
            nonlocal calls
            calls += 1
            if calls == limit:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)
        return step
    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    ref = AdapterRef(AdapterName("ember", "soap"), digest=target)
    Registry(root / str(limit)).promote(ref, "prod", "why")
    os._exit(0)

for limit in range(1, 400):
    os.system(f"cp -r {root}/before {root}/{limit}")
    child = os.fork()
    if child == 0:
        main(limit)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status))
    if status == 0:
        break
"""


@pytest.mark.thorough
@pytest.mark.parametrize("again", [False, True])
def test_a_kill_at_any_step_leaves_the_old_or_the_new_and_the_history_tells_it(
    tmp_path: Path, again: bool
) -> None:
    registry = Registry(tmp_path / "before")
    old, new, third = published(registry, tmp_path, 3)
    if again:
        registry.promote(AdapterRef(NAME, digest=old.digest), "prod")
    was = old.digest if again else None
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), new.digest],
        stdout=subprocess.PIPE,
        check=True,
        cwd=ROOT,
    )
    signals = [int(one) for one in done.stdout.split()]
    assert signals == [signal.SIGKILL] * (len(signals) - 1) + [0]
    seen = set()
    for limit in range(1, len(signals) + 1):
        left = Registry(tmp_path / str(limit))
        meant = left.aliases(NAME).get("prod")
        seen.add(meant)
        moves = [move for move in left.history(NAME) if move.alias == "prod"]
        assert (moves[-1].target if moves else None) == meant
        assert meant in (was, new.digest)
        left.promote(AdapterRef(NAME, digest=third.digest), "prod")
        assert left.aliases(NAME)["prod"] == third.digest
        assert chain(left.history(NAME), "prod")[-2:] == [*filter(None, [meant]), third.digest][-2:]
        assert (left.root / "ember/soap/aliases/prod").read_text() == f"{third.digest}\n"
        assert len(list((left.root / ".staging").iterdir())) == 0, "swept at the next move"
    assert seen == {was, new.digest}


def test_an_old_registry_goes_on(tmp_path: Path) -> None:
    """Aliases and a history.jsonl of a kit that made no folders of moves."""
    registry = Registry(tmp_path / "adapters")
    old, new = published(registry, tmp_path, 2)
    line = registry.root / "ember/soap"
    lines = [
        {
            "time": "2026-11-23T12:00:00+00:00",
            "alias": "candidate",
            "from": source,
            "to": to,
            "reason": "published",
        }
        for source, to in ((None, old.digest), (old.digest, new.digest))
    ]
    for number in (1, 2):
        for path in sorted((line / "moves").glob(f"*{number}"), reverse=True):
            (path / "move.json").unlink()
            path.rmdir()
    (line / "moves").rmdir()
    (line / "history.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    assert registry.aliases(NAME) == {"candidate": new.digest}
    assert registry.rollback(NAME, "candidate") == old
    registry.promote(AdapterRef(NAME), "prod")
    assert registry.aliases(NAME) == {"candidate": old.digest, "prod": old.digest}
    assert chain(registry.history(NAME), "candidate") == [old.digest, new.digest, old.digest]
    assert (line / "aliases/candidate").read_text() == f"{old.digest}\n"
    assert len((line / "history.jsonl").read_text().splitlines()) == 2, (
        "the record of old moves stays as it is"
    )


@pytest.mark.parametrize(
    "text", ["", "{}", '{"aliases": {"prod": "x"}}', "\0" * 50, '{"aliases": 1, "time": []}']
)
def test_a_newest_move_that_cannot_be_read_is_told_and_the_alias_files_hold(
    tmp_path: Path, text: str
) -> None:
    registry = Registry(tmp_path / "adapters")
    old, new = published(registry, tmp_path, 2)
    assert registry.aliases(NAME) == {"candidate": new.digest}
    path = registry.root / "ember/soap/moves/00000002/move.json"
    path.chmod(0o644)
    path.write_text(text)
    assert registry.aliases(NAME) == {"candidate": new.digest}
    assert [problem.where for problem in registry.alias_problems(NAME)] == [str(path)]
    registry.promote(AdapterRef(NAME, digest=old.digest), "candidate")
    assert registry.aliases(NAME) == {"candidate": old.digest}
    assert latest_state(registry.root / "ember/soap").number == 3
    assert registry.alias_problems(NAME) == []


def test_a_rollback_counts_from_what_it_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people roll back at one moment: the alias goes back one version, and the second is told."""
    registry = Registry(tmp_path / "adapters")
    versions = published(registry, tmp_path, 3)
    for version in versions:
        registry.promote(AdapterRef(NAME, digest=version.digest), "prod")
    verify, other = Registry.verify, []

    def meanwhile(self: Registry, version: Version) -> object:
        if not other:
            other.append(True)
            Registry(registry.root).rollback(NAME, "prod")
        return verify(self, version)

    monkeypatch.setattr(Registry, "verify", meanwhile)
    with pytest.raises(RegistryError, match="has moved since"):
        registry.rollback(NAME, "prod")
    assert registry.aliases(NAME)["prod"] == versions[1].digest


def test_a_gate_that_compared_with_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "adapters")
    old, new = published(registry, tmp_path, 2)
    gate = GateRecord(passed=True, forced=False, against=None, evaluation_sha256=None, checks=[])
    registry.promote(AdapterRef(NAME, digest=old.digest), "prod", None, gate)
    with pytest.raises(RegistryError, match="allowed: nothing"):
        registry.promote(AdapterRef(NAME, digest=new.digest), "prod", None, gate)


def test_what_a_killed_process_left_is_swept_at_once(tmp_path: Path) -> None:
    """And what a living one, or one of another machine, is working on stays."""
    registry = Registry(tmp_path / "adapters")
    published(registry, tmp_path, 1)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from lora_marketing.registry.staging import staging_folder\n"
        "with staging_folder(Path(sys.argv[1])) as staging:\n"
        "    (staging / 'weights').touch(); print(staging.name, flush=True); sys.stdin.read()"
    )
    names = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(registry.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stdout is not None
        names.append((process, process.stdout.readline().strip()))
    (dead, gone), (living, working) = names
    dead.kill()
    dead.wait()
    staging = registry.root / ".staging"
    elsewhere = f"{'0' * 12}-{gone.split('-', 1)[1]}"
    reused = "-".join([gone.split("-")[0], str(os.getpid()), "1", "0" * 16])
    for name in (elsewhere, reused):
        (staging / name).mkdir()
    registry.publish(NAME, tmp_path / "run", manifest(seed=9))
    assert {path.name for path in staging.iterdir()} == {working, elsewhere}
    living.communicate("")
