"""`adapters promote`: an alias with a gate, one without, and what the history keeps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.brands.brand import Brief
from lora_marketing.cli import main
from lora_marketing.evaluation.document import Evaluation, ScoredText, WriterScores, write_evaluation
from lora_marketing.registry.history import GateRecord, Move
from lora_marketing.registry.names import AdapterName
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version
from tests.evaluation.making import scored_text
from tests.making import BRAND
from tests.registry.making import manifest, write_adapter

NAME = AdapterName("tidal", "soap")
PROFILE = {"name": "tidal", "display_name": "Tidal", "gated_aliases": ["prod"]}


@dataclass(frozen=True)
class World:
    """Two versions; `prod` has a gate and names the older one, `staging` has none."""

    root: Path
    registry: Registry
    old: Version
    new: Version

    def promote(self, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
        """Exit code and all that was said."""
        code = call("adapters", "promote", *arguments, "--adapters", self.registry.root)
        said = capsys.readouterr()
        return code, said.out + said.err

    @property
    def prod(self) -> str | None:
        return self.registry.aliases(NAME).get("prod")

    @property
    def last(self) -> Move:
        return self.registry.history(NAME)[-1]


def call(*arguments: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lora-marketing", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def published(
    registry: Registry, folder: Path, name: AdapterName, profile: Any, seed: int, **changes: Any
) -> Version:
    recipe = {"brand": {"line": name.line}, "brand_profile": profile}
    made = manifest(name, seed=seed, recipe=recipe, **changes)
    return registry.publish(name, folder, made)


@pytest.fixture
def world(tmp_path: Path) -> World:
    registry, folder = Registry(tmp_path / "adapters"), write_adapter(tmp_path / "adapter")
    old, new = (published(registry, folder, NAME, PROFILE, seed) for seed in (1, 2))
    ember = {"name": "ember", "display_name": "Ember"}
    published(registry, folder, AdapterName("ember", "filter"), ember, 1)
    from lora_marketing.registry.names import AdapterRef

    registry.promote(AdapterRef(NAME, digest=old.digest), "prod")
    return World(tmp_path, registry, old, new)


def kept(world: World, texts: Sequence[str] = ("It floats.",), **changes: Any) -> Path:
    """An evaluation in which nothing speaks against the newer version but what `texts` say."""
    gaps = {"ability_over_base": (0, -0.05, 0.05), "advert_over_base": (0, -0.05, 0.05)}
    gaps[f"loss_over:{world.old}"] = (-0.1, -0.2, -0.01)
    extra = {"proven_held_out": 1.0}
    for name, values in gaps.items():
        extra |= zip_named(name, values)
    writers = {str(world.new): texts, str(world.old): ("It floats.",), "base": ("It floats.",)}
    found = Evaluation(
        made=changes.pop("made", date.today()),
        seed=13,
        resamples=10,
        packages={},
        held_out=None,
        writers=[
            WriterScores(
                writer=writer,
                brand="tidal",
                texts=40,
                briefs=40,
                figures={},
                verdicts={},
                rules={},
                extra=extra if writer == str(world.new) else {},
            )
            for writer in writers
            if writer not in changes.get("without", ())
        ],
        texts=[
            scored(writer, number, said[number % len(said)])
            for writer, said in writers.items()
            for number in range(40)
        ],
    )
    path = world.root / "evaluation.json"
    write_evaluation(path, found)
    return path


def zip_named(name: str, values: Sequence[float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), map(float, values), strict=True))


def scored(writer: str, number: int, text: str) -> ScoredText:
    brief = Brief(product=f"Bar {number}", channel="meta_feed", field="headline")
    return scored_text(writer, text, brief)


def test_what_passes_is_moved_and_the_history_says_why(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    path = kept(world)
    code, said = world.promote(capsys, "tidal/soap@candidate", "prod", "--evaluation", path)
    assert code == 0, said
    assert world.prod == world.new.digest
    gate = world.last.gate
    assert gate is not None
    assert (gate.passed, gate.forced, gate.against) == (True, False, world.old.digest)
    assert gate.evaluation_sha256 == sha256(path.read_bytes()).hexdigest()
    assert len(gate.checks) == 11
    assert all(check.passed for check in gate.checks)


def test_what_fails_is_shown_and_not_moved(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    path = kept(world, ["It floats."] * 9 + ["Better than Ember."])
    code, said = world.promote(capsys, "tidal/soap@candidate", "prod", "--evaluation", path)
    assert code == 1
    assert "'Better than Ember.': names Ember" in said
    assert "--force" in said
    assert "Traceback" not in said
    assert world.prod == world.old.digest
    assert len(world.registry.history(NAME)) == 3


def test_force_moves_and_is_recorded(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    path = kept(world, ["Better than Ember."])
    code, _ = world.promote(
        capsys, "tidal/soap@candidate", "prod", "--evaluation", path, "--force", "the client insists"
    )
    assert (code, world.prod) == (0, world.new.digest)
    gate = world.last.gate
    assert gate is not None
    assert world.last.reason == "the client insists"
    assert (gate.passed, gate.forced) == (False, True)
    assert [check.name for check in gate.checks if not check.passed] == ["texts that leak"]


def test_force_without_anything_to_judge_by(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.promote(capsys, "tidal/soap@candidate", "prod")[0] == 1
    assert world.prod == world.old.digest
    assert world.promote(capsys, "tidal/soap@candidate", "prod", "--force", "a fire")[0] == 0
    assert world.last.gate == GateRecord(
        passed=False, forced=True, against=world.old.digest, evaluation_sha256=None, checks=[]
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"made": date.today() - timedelta(40)}, "too old"),
        ({"without": ["base"]}, "no texts of base"),
    ],
)
def test_evaluations_that_tell_nothing_move_nothing_but_by_force(
    world: World, capsys: pytest.CaptureFixture[str], changes: Any, says: str
) -> None:
    path = kept(world, **changes)
    code, said = world.promote(capsys, "tidal/soap@candidate", "prod", "--evaluation", path)
    assert (code, world.prod) == (1, world.old.digest)
    assert says in said
    code, _ = world.promote(capsys, "tidal/soap@candidate", "prod", "--evaluation", path, "--force", "a fire")
    gate = world.last.gate
    assert (code, world.prod) == (0, world.new.digest)
    assert gate is not None
    assert (gate.passed, gate.forced) == (False, True)
    assert [says in check.name for check in gate.checks if not check.passed] == [True]


def test_an_evaluation_of_another_version_tells_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_adapter(world.root / "third")
    third = published(world.registry, folder, NAME, PROFILE, 3)
    code, said = world.promote(capsys, "tidal/soap@candidate", "prod", "--evaluation", kept(world))
    assert code == 1
    assert f"no texts of {third}" in said
    # nor does one that compared with another version than the alias names now
    world.promote(capsys, f"tidal/soap:{third.digest}", "prod", "--force", "first")
    code, said = world.promote(capsys, f"tidal/soap:{world.new.digest}", "prod", "--evaluation", kept(world))
    assert code == 1
    assert f"no texts of {third}" in said


def test_a_newer_profile_says_which_aliases_have_a_gate(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = world.root / "brand.yaml"
    profile.write_text(BRAND + "gated_aliases: [staging]\n", encoding="utf-8")
    arguments = ("tidal/soap@candidate", "staging", "--brand", profile)
    assert world.promote(capsys, *arguments)[0] == 1
    assert world.promote(capsys, "tidal/soap@candidate", "prod", "--brand", profile)[0] == 0
    profile.write_text(BRAND.replace("name: tidal", "name: other", 1), encoding="utf-8")
    assert world.promote(capsys, *arguments)[0] == 2


def test_a_gate_holds_for_versions_whose_own_profile_has_none(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the version that the alias names says that there is one, or the newest version."""
    folder, free = write_adapter(world.root / "other"), {**PROFILE, "gated_aliases": []}
    first, last = (
        published(world.registry, folder, NAME, free, 3, created=f"{year}-01-01T00:00:00+00:00")
        for year in (2020, 2030)
    )
    assert world.promote(capsys, f"tidal/soap:{last.digest}", "prod")[0] == 1
    assert world.promote(capsys, f"tidal/soap:{first.digest}", "staging")[0] == 0
    newest = {**PROFILE, "gated_aliases": ["staging"]}
    published(world.registry, folder, NAME, newest, 3, created="2040-01-01T00:00:00+00:00")
    assert world.promote(capsys, f"tidal/soap:{last.digest}", "staging")[0] == 1
    assert world.promote(capsys, f"tidal/soap:{last.digest}", "elsewhere")[0] == 0


def test_rolling_back_needs_no_gate(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.promote(capsys, "tidal/soap@candidate", "prod", "--evaluation", kept(world))
    assert call("adapters", "rollback", "tidal/soap", "prod", "--adapters", world.registry.root) == 0
    assert world.prod == world.old.digest
    assert world.last.gate is None


def test_an_alias_without_a_gate_loads_nothing_heavy(world: World) -> None:
    script = (
        "import sys, atexit; from lora_marketing.cli import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    arguments = [
        "adapters",
        "promote",
        "tidal/soap@candidate",
        "staging",
        "--adapters",
        str(world.registry.root),
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    heavy = {
        "torch",
        "transformers",
        "sklearn",
        "scipy",
        "numpy",
        "lora_marketing.evaluation.promotion_gate",
        "lora_marketing.evaluation",
    }
    assert not heavy & set(done.stderr.split())
    assert world.last.gate is None


def test_a_bare_name_is_promoted_from_its_candidate(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A name alone means @prod elsewhere: so it would be moved to where it is."""
    code, said = world.promote(capsys, "tidal/soap", "prod", "--evaluation", kept(world))
    assert (code, world.prod) == (0, world.new.digest)
    assert f"tidal/soap@prod is now {world.new.digest[:16]}" in said.splitlines()
    moves = len(world.registry.history(NAME))
    for alias in ("prod", "candidate"):
        code, said = world.promote(capsys, "tidal/soap", alias)
        assert code == 0
        assert said.strip() == f"tidal/soap@{alias} is {world.new.digest[:16]} already: nothing was moved"
    assert len(world.registry.history(NAME)) == moves


def test_candidate_may_not_be_gated(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    profile = world.root / "brand.yaml"
    profile.write_text(BRAND + "gated_aliases: [prod, candidate]\n", encoding="utf-8")
    code, said = world.promote(capsys, "tidal/soap", "staging", "--brand", profile)
    assert code == 2
    line = profile.read_text(encoding="utf-8").splitlines().index("gated_aliases: [prod, candidate]") + 1
    assert f"brand.yaml:{line}: gated_aliases may not name candidate" in said
    assert "take candidate out" in said
