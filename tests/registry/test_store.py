from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.common.errors import RegistryError
from lora_marketing.registry import AdapterName, AdapterRef, Registry, Version
from lora_marketing.registry.history import GateRecord
from lora_marketing.text.known_texts import KnownTexts
from tests.registry.making import NAME, manifest, tree, write_adapter


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "adapters")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write_adapter(tmp_path / "run")


def published(registry: Registry, adapter: Path, *seeds: int) -> list[Version]:
    return [registry.publish(NAME, adapter, manifest(seed=seed)) for seed in seeds]


def test_a_version_is_what_was_given(registry: Registry, adapter: Path) -> None:
    (adapter / "loss.png").write_bytes(b"png")
    (adapter / "known_texts.bin").write_bytes(KnownTexts.of(["It floats."]).to_bytes())
    version = registry.publish(NAME, adapter, manifest())
    assert version.folder == registry.root / "ember/soap/versions" / version.digest[:16]
    assert version.manifest.files.keys() == set(os.listdir(adapter))
    for name in os.listdir(adapter):
        assert (version.folder / name).read_bytes() == (adapter / name).read_bytes()
    assert (version.folder / "manifest.json").read_bytes() == version.manifest.canonical()
    assert {path.stat().st_mode & 0o777 for path in version.folder.iterdir()} == {0o400}
    assert version.manifest.digest == version.digest
    assert registry.verify(version) == []
    assert registry.names() == (NAME,)
    assert registry.versions(NAME) == (version,)
    assert registry.damaged(NAME) == []
    assert registry.aliases(NAME) == {"candidate": version.digest}
    assert list((registry.root / ".staging").iterdir()) == []


def test_the_same_content_is_the_same_version(registry: Registry, adapter: Path) -> None:
    first = registry.publish(NAME, adapter, manifest())
    before = tree(registry.root)
    assert registry.publish(NAME, adapter, manifest()) == first
    assert tree(registry.root) == before


def test_publishing_again_repairs_a_lost_alias(registry: Registry, adapter: Path) -> None:
    (version,) = published(registry, adapter, 1)
    (first_move,) = registry.history(NAME)
    told = (first_move.alias, first_move.source, first_move.target, first_move.reason, first_move.gate)
    assert told == ("candidate", None, version.digest, "published", None)
    (registry.root / "ember/soap/aliases/candidate").unlink()
    published(registry, adapter, 1)
    assert registry.resolve(AdapterRef(NAME)) == version


@pytest.mark.parametrize(
    "extra", ["adapter_model.bin", "tokenizer.json", "chat_template.jinja", "manifest.json", "sub"]
)
def test_only_known_files_are_published(registry: Registry, adapter: Path, extra: str) -> None:
    (adapter / extra).mkdir() if extra == "sub" else (adapter / extra).touch()
    with pytest.raises(RegistryError, match=f"{extra}: may not be published"):
        registry.publish(NAME, adapter, manifest())
    assert not registry.root.exists()


@pytest.mark.parametrize(
    "name", ["adapter_config.json", "adapter_model.safetensors", "README.md", "loss.png", "known_texts.bin"]
)
def test_links_and_pipes_are_not_published(
    registry: Registry, adapter: Path, name: str, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").write_text("x")
    (adapter / name).unlink(missing_ok=True)
    (adapter / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RegistryError, match=f"{name}: is not a regular file"):
        registry.publish(NAME, adapter, manifest())
    (adapter / name).unlink()
    os.mkfifo(adapter / name)
    with pytest.raises(RegistryError, match=f"{name}: is not a regular file"):
        registry.publish(NAME, adapter, manifest())
    assert not registry.root.exists()


def test_all_problems_of_a_folder_are_told_at_once(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "extra\x1b.bin").touch()
    with pytest.raises(RegistryError) as caught:
        registry.publish(NAME, tmp_path, manifest(AdapterName("ember", "candle")), alias="../x")
    said = str(caught.value)
    for part in [
        "alias",
        "another adapter",
        "extra\\x1b.bin",
        "README.md: is missing",
        "safetensors: is missing",
    ]:
        assert part in said


def test_a_missing_folder_is_told(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="is not a folder"):
        registry.publish(NAME, tmp_path / "none", manifest())


def test_references(registry: Registry, adapter: Path) -> None:
    first, second = published(registry, adapter, 1, 2)
    resolve = registry.resolve
    assert resolve(AdapterRef.parse("ember/soap")) == second
    registry.promote(AdapterRef(NAME, digest=first.digest), "prod")
    assert resolve(AdapterRef.parse("ember/soap")) == first
    assert resolve(AdapterRef.parse("ember/soap@candidate")) == second
    for digits in (8, 16, 30, 64):
        assert resolve(AdapterRef(NAME, digest=first.digest[:digits])) == first


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("ember/sop", 'did you mean "ember/soap"'),
        ("amber/soap", 'did you mean "ember/soap"'),
        ("ember/soap@candidat", 'did you mean "candidate"'),
        ("ember/soap@prod", "one of candidate|did you mean"),
        ("ember/soap:ffffffff", "one of|did you mean"),
        ("ember/soap:" + "f" * 64, "one of|did you mean"),
    ],
)
def test_unknown_references_name_the_nearest(registry: Registry, adapter: Path, ref: str, said: str) -> None:
    published(registry, adapter, 1)
    with pytest.raises(RegistryError, match=said):
        registry.resolve(AdapterRef.parse(ref))


def test_the_right_start_of_a_digest_with_a_wrong_end(registry: Registry, adapter: Path) -> None:
    (version,) = published(registry, adapter, 1)
    other = version.digest[:40] + ("0" if version.digest[40] != "0" else "1")
    with pytest.raises(RegistryError, match="has no version"):
        registry.resolve(AdapterRef(NAME, digest=other))


def test_an_empty_registry(registry: Registry) -> None:
    assert registry.names() == ()
    assert registry.versions(NAME) == ()
    assert registry.aliases(NAME) == {}
    assert registry.history(NAME) == ()
    with pytest.raises(RegistryError, match="no adapter ember/soap"):
        registry.resolve(AdapterRef(NAME))


def test_an_ambiguous_digest_is_told(registry: Registry, adapter: Path) -> None:
    files = published(registry, adapter, 0)[0].manifest.files
    seen: dict[str, int] = {}
    for seed in range(1, 100_000):
        start = manifest(seed=seed, files=files).digest[:4]
        if start in seen:
            published(registry, adapter, seen[start], seed)
            break
        seen[start] = seed
    with pytest.raises(RegistryError, match="ambiguous"):
        registry.resolve(AdapterRef(NAME, digest=start))


def test_versions_are_listed_by_age(registry: Registry, adapter: Path) -> None:
    times = ["2026-11-25T00:00:00+00:00", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00+00:00"]
    for time in times:
        registry.publish(NAME, adapter, manifest(created=time))
    assert [version.manifest.created for version in registry.versions(NAME)] == sorted(times)


def test_promote_and_roll_back(registry: Registry, adapter: Path) -> None:
    a, b, c = published(registry, adapter, 1, 2, 3)
    for version in (a, b, c):
        ref = AdapterRef(NAME, digest=version.digest)
        assert registry.promote(ref, "prod", "better") == version
    assert registry.rollback(NAME, "prod") == b
    assert registry.rollback(NAME, "prod") == a
    with pytest.raises(RegistryError, match="no earlier version"):
        registry.rollback(NAME, "prod")
    assert registry.aliases(NAME) == {"candidate": c.digest, "prod": a.digest}
    moves = [(m.source, m.target, m.reason) for m in registry.history(NAME) if m.alias == "prod"]
    assert moves == [
        (None, a.digest, "better"),
        (a.digest, b.digest, "better"),
        (b.digest, c.digest, "better"),
        (c.digest, b.digest, "rollback"),
        (b.digest, a.digest, "rollback"),
    ]


@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_version_is_rolled_back_from(registry: Registry, adapter: Path, gone: bool) -> None:
    first, second = published(registry, adapter, 1, 2)
    if gone:
        shutil.rmtree(second.folder)
    else:
        (second.folder / "manifest.json").chmod(0o644)
        (second.folder / "manifest.json").write_text("{}")
    with pytest.raises(RegistryError):
        registry.resolve(AdapterRef(NAME))
    assert registry.rollback(NAME, "candidate") == first
    assert registry.resolve(AdapterRef(NAME)) == first


def test_promoting_by_alias_and_twice(registry: Registry, adapter: Path) -> None:
    (a,) = published(registry, adapter, 1)
    for _ in range(2):
        assert registry.promote(AdapterRef(NAME, alias="candidate"), "prod") == a
    assert len(registry.history(NAME)) == 2


@pytest.mark.parametrize(("alias", "reason"), [("../../x", None), ("Prod", None), ("prod", "rollback")])
def test_what_cannot_be_promoted(registry: Registry, adapter: Path, alias: str, reason: str | None) -> None:
    published(registry, adapter, 1)
    before = tree(registry.root)
    with pytest.raises(RegistryError):
        registry.promote(AdapterRef(NAME), alias, reason)
    assert tree(registry.root) == before


def test_a_rollback_of_an_unknown_alias(registry: Registry, adapter: Path) -> None:
    published(registry, adapter, 1)
    with pytest.raises(RegistryError, match="no alias prod"):
        registry.rollback(NAME, "prod")


def test_a_damaged_version_is_not_promoted(registry: Registry, adapter: Path) -> None:
    (version,) = published(registry, adapter, 1)
    (version.folder / "README.md").chmod(0o644)
    (version.folder / "README.md").write_text("other")
    with pytest.raises(RegistryError, match="was changed"):
        registry.promote(AdapterRef(NAME), "prod")
    assert "prod" not in registry.aliases(NAME)
    with pytest.raises(RegistryError, match="was changed"):
        published(registry, adapter, 1)


def test_brands_do_not_meet(registry: Registry, adapter: Path) -> None:
    other = AdapterName("lumen", "soap")
    (mine,) = published(registry, adapter, 1)
    theirs = registry.publish(other, adapter, manifest(other))
    assert registry.names() == (NAME, other)
    assert registry.versions(other) == (theirs,)
    mine.folder.rename(registry.root / "lumen/soap/versions" / mine.folder.name)
    with pytest.raises(RegistryError, match="belongs to another adapter"):
        registry.resolve(AdapterRef(other, digest=mine.digest))
    assert registry.versions(other) == (theirs,)
    assert len(registry.damaged(other)) == 1


def test_diff_tells_what_changed(registry: Registry, adapter: Path) -> None:
    changed: dict[str, Any] = {
        "recipe": {"lora": {"rank": 8, "alpha": 4.0}, "brand": {"line": "soap"}, "train": {"extra": {}}},
        "packages": {"peft": "0.22.0"},
        "metrics": {"loss": 1.0, "bleu": 20.5},
        "seed": 14,
    }
    a = registry.publish(NAME, adapter, manifest())
    b = registry.publish(NAME, adapter, manifest(**changed))
    assert registry.diff(a, a) == []
    assert registry.diff(a, b) == [
        ("metrics.bleu", None, 20.5),
        ("metrics.loss", 1.25, 1.0),
        ("packages.peft", "0.21.2", "0.22.0"),
        ("recipe.lora.rank", 2, 8),
        ("recipe.train.extra", None, {}),
    ]


def test_what_is_no_adapter_is_not_listed(registry: Registry, adapter: Path) -> None:
    published(registry, adapter, 1)
    root = registry.root
    (root / "README.md").write_text("adapters")
    (root / "Not a slug" / "x" / "versions" / ("0" * 16)).mkdir(parents=True)
    (root / "empty" / "line" / "versions").mkdir(parents=True)
    (root / "link").symlink_to(root / "ember")
    (root / "ember/soap/versions/notes").mkdir()
    (root / "ember/soap/versions" / ("0" * 16)).symlink_to(root)
    (root / "ember/soap/aliases/.tmp").write_text("x")
    assert registry.names() == (NAME,)
    assert len(registry.versions(NAME)) == 1
    assert registry.aliases(NAME).keys() == {"candidate"}


def test_a_long_list_is_not_told(registry: Registry, adapter: Path) -> None:
    published(registry, adapter, *range(20))
    with pytest.raises(RegistryError) as caught:
        registry.resolve(AdapterRef(NAME, digest="0123456789"))
    assert "one of 20" in str(caught.value)


def test_an_alias_that_moved_since_the_gate_looked_stays(registry: Registry, adapter: Path) -> None:
    a, b, c = published(registry, adapter, 1, 2, 3)
    registry.promote(AdapterRef(NAME, digest=a.digest), "prod")
    gate = GateRecord(passed=True, forced=False, against=a.digest, evaluation_sha256="e" * 64, checks=[])
    registry.promote(AdapterRef(NAME, digest=b.digest), "prod", None, gate)
    assert registry.history(NAME)[-1].gate == gate
    with pytest.raises(RegistryError, match="has moved since"):
        registry.promote(AdapterRef(NAME, digest=c.digest), "prod", None, gate)
    assert registry.aliases(NAME)["prod"] == b.digest


@pytest.mark.parametrize(("last", "told"), [("l" * 28, f"{'l' * 28}"), ("l" * 29, "one of 5")])
def test_a_list_of_300_characters_is_told_and_a_longer_one_is_not(
    registry: Registry, last: str, told: str
) -> None:
    names = [*(f"{letter * 28}/{'l' * 28}" for letter in "abcd"), f"{'e' * 28}/{last}"]
    for name in names:
        (registry.root / name / "versions" / ("0" * 16)).mkdir(parents=True)
    with pytest.raises(RegistryError) as caught:
        registry.resolve(AdapterRef(AdapterName("zz", "z")))
    (problem,) = caught.value.problems
    whole = f"one of {', '.join(names)}"
    assert len(whole) == 300 + (last != "l" * 28)
    assert problem.allowed == (whole if len(whole) == 300 else told)
