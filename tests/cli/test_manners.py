"""The installed command: what it says, what it leaves alone, what it loads to start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lora_marketing.cli import main
from tests.making import BRANDS, RECIPE, ROOT, row, rows, tree, write_rows, write_world

RUN = "from lora_marketing.cli import main; main()"
SPY = """
import atexit, sys
atexit.register(lambda path: print(*sys.modules, file=open(path, "w")), sys.argv[1])
sys.argv = ["lora-marketing", *sys.argv[2:]]
"""
HEAVY = {"torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "sklearn", "matplotlib"}
EMBER = str(BRANDS / "ember-espresso.yaml")


def run(folder: Path, *arguments: str, script: str = RUN) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )


def loaded_by(folder: Path, *arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    listed = folder / "modules"
    done = run(folder, str(listed), *arguments, script=SPY + RUN)
    assert (done.returncode, done.stderr) == (0, "")
    loaded = set(listed.read_text().split())
    assert "lora_marketing.cli.app" in loaded
    return loaded


def other_packages(loaded: set[str]) -> set[str]:
    """What is neither Python's nor the kit's own."""
    names = {module.partition(".")[0] for module in loaded} - sys.stdlib_module_names - {"lora_marketing"}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", EMBER],
        ["explain", EMBER, "train.learning_rate"],
        ["adapters", "list"],
    ],
    ids=" ".join,
)
def test_quick_commands_never_load_torch(tmp_path: Path, arguments: list[str]) -> None:
    assert loaded_by(tmp_path, *arguments) & HEAVY == set()


def test_help_loads_the_commands_and_what_draws_it(tmp_path: Path) -> None:
    """Commands import what they need when they run. How long it takes: benchmarks/commands.py."""
    loaded = loaded_by(tmp_path, "--help")
    own = {module for module in loaded if module.startswith("lora_marketing")}
    elsewhere = {module for module in own if not module.startswith("lora_marketing.cli")}
    commons = ("", ".common", ".common.console", ".common.errors", ".common.printable")
    assert elsewhere == {f"lora_marketing{module}" for module in commons}
    assert len(own) <= 24
    others = other_packages(loaded)
    assert "typer" in others
    assert others & {"pydantic", "ruamel", "numpy", "jinja2", "rich", "matplotlib", "platformdirs"} == set()
    assert len(others) <= 6, others  # typer and what it stands on


@pytest.mark.thorough
@pytest.mark.parametrize("arguments", [["check", EMBER], ["adapters", "list"]], ids=" ".join)
def test_checking_and_listing_load_no_library_of_models_or_figures(
    tmp_path: Path, arguments: list[str]
) -> None:
    others = other_packages(loaded_by(tmp_path, *arguments))
    assert "pydantic" in others
    templates = {"jinja2", "markupsafe"} if "check" in arguments else set()  # the base's, where it is here
    assert others & {"numpy", "tokenizers", "huggingface_hub", "scipy", "sacrebleu"} == set()
    assert not {"jinja2"} & (others - templates)
    assert len(others - templates) <= 14, others


def write(folder: Path, found: Mapping[str, object]) -> None:
    """The small world with some of its files replaced (or taken away: None)."""
    write_world(folder)
    for name, content in found.items():
        path = folder / name
        if content is None:
            path.unlink()
        elif isinstance(content, list):
            write_rows(path, content)
        else:
            path.write_text(str(content), encoding="utf-8")


CHECK = ["check", "recipe.yaml"]
UNKNOWN = ["generate", "Bar soap", "--adapter", "tidal/sope"]
BAD = {
    "typo in a key": (CHECK, {"recipe.yaml": RECIPE + "lora:\n  rnak: 8\n"}, "recipe.yaml:10", '"rank"'),
    "bad value": (CHECK, {"recipe.yaml": RECIPE + "train: {epochs: two}\n"}, "recipe.yaml:9", "'two'"),
    "no recipe": (["check", "gone.yaml"], {}, "gone.yaml", "No such file"),
    "a folder": (["check", "."], {}, ".", "directory"),
    "broken YAML": (CHECK, {"recipe.yaml": RECIPE + "lora: [\n"}, "recipe.yaml:10", "broken YAML"),
    "no data file": (CHECK, {"texts.jsonl": None}, "recipe.yaml:8", "texts.jsonl"),
    "no brand file": (CHECK, {"brand.yaml": None}, "recipe.yaml:5", "brand.yaml"),
    "empty data": (CHECK, {"texts.jsonl": []}, "texts.jsonl", "no rows to train on"),
    "too few rows": (CHECK, {"texts.jsonl": rows(3)}, "texts.jsonl", "at least 8"),
    "row without text": (
        CHECK,
        {"texts.jsonl": [*rows(), row(99, text=...)]},
        "texts.jsonl:13",
        "without text",
    ),
    "broken line": (
        CHECK,
        {"texts.jsonl": [*rows(5), '{"id": "a', *rows()[5:]]},
        "texts.jsonl:6",
        "broken JSON",
    ),
    "unknown channel": (CHECK, {"texts.jsonl": [row(1, channel="smss")]}, "texts.jsonl:1", '"sms"'),
    "banned term": (CHECK, {"texts.jsonl": [row(1, text="A miracle.")]}, "texts.jsonl:1", "miracle"),
    "bad override": ([*CHECK, "--set", "train.epochs=["], {}, "--set train.epochs=[", "broken YAML"),
    "unknown key to explain": (["explain", "recipe.yaml", "lora.rnak"], {}, "lora.rnak", '"lora.rank"'),
    "unknown adapter to show": (["adapters", "show", "tidal/sope"], {}, "tidal/sope", ""),
    "unknown adapter to promote": (["adapters", "promote", "tidal/sope"], {}, "tidal/sope", ""),
    "bad name": (["adapters", "show", "../../etc"], {}, "not a usable brand name", "'..'"),
    "unknown channel to write for": ([*UNKNOWN[:2], "--channel", "smss", *UNKNOWN[2:]], {}, "smss", '"sms"'),
    "nobody to write as": (UNKNOWN[:2], {}, "nobody to write as", "--adapter"),
    "no brief": (["generate", "--adapter", "tidal/soap"], {}, "no brief", "--brief"),
    "train with a typo": (
        ["train", "recipe.yaml"],
        {"recipe.yaml": RECIPE + "lroa: {}\n"},
        "recipe.yaml:9",
        '"lora"',
    ),
    "no copies": (["score", "gone.jsonl", "--recipe", "recipe.yaml"], {}, "gone.jsonl", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_ends_with_code_2_one_screen_and_nothing_changed(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, found, where, told = BAD[case]
    write(tmp_path, found)
    before = tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["lora-marketing", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert where in said.err
    assert told in said.err
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) <= 24
    assert len(said.err) < 2_000
    assert tree(tmp_path) == before


@pytest.mark.thorough
@pytest.mark.parametrize("arguments", [CHECK, ["nonsense"], ["check", "--nonsense"]], ids=" ".join)
def test_the_real_process_ends_the_same_way(tmp_path: Path, arguments: list[str]) -> None:
    write(tmp_path, {"texts.jsonl": ["{"]})
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert 0 < len(done.stderr.splitlines()) < 12
