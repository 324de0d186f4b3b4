"""Whatever a recipe, a profile or rows hold, `check` answers in bounded time: with 0, or with 2 and why."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lora_marketing.cli import main
from lora_marketing.common import strict_json
from lora_marketing.common.errors import DataError, LoraMarketingError
from lora_marketing.common.files import read_outside
from lora_marketing.copy.record import read_copies
from lora_marketing.data.dataset import read_briefs
from lora_marketing.evaluation.document import read_evaluation
from tests.making import BRAND, RECIPE, rows, write_rows, write_world

SECONDS = 10.0
"""The machine may be busy; what hangs takes for ever."""

PIECES = [
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\\ud800",
    b'"\\uD800"',
    b"9" * 5_000,
    b"0x" + b"f" * 10_000,
    b"-1e999",
    b".inf",
    b"[" * 3_000,
    b"{a: " * 500,
    b"- " * 400 + b"x",
    b'{"a":' * 3_000,
    b"x" * 5_000,
    b"/" * 5_000,
    b"~nobody-of-that-name/x",
    b"../" * 300,
    b'"\\0"',
    b'"\\U00110000"',
    b'"\\xZZ"',
    b"&a [*a]",
    b"*b",
    b"!!python/object:os.system",
    b"? [1, 2]\n: 3\n",
    b"%YAML 9.9\n",
    b"---\n---\n",
    b"\t",
    b"\r",
    "\u2028\u0085\ufeff".encode(),
    b"null",
    b"{}",
    b"[]",
    b"2026-13-45",
    b"1_0",
    b"<<: {}\n",
    b"extends: recipe.yaml\n",
    b"approved:",
]


def flipped(raw: bytearray, random: random.Random) -> None:
    for _ in range(random.randint(1, 8)):
        raw[random.randrange(len(raw))] ^= 1 << random.randrange(8)


def cut(raw: bytearray, random: random.Random) -> None:
    del raw[random.randrange(len(raw)) :]


def taken_out(raw: bytearray, random: random.Random) -> None:
    at = random.randrange(len(raw))
    del raw[at : at + random.randint(1, 40)]


def swapped(raw: bytearray, random: random.Random) -> None:
    lines = bytes(raw).split(b"\n")
    first, second = random.randrange(len(lines)), random.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    raw[:] = b"\n".join(lines)


def stuffed(raw: bytearray, random: random.Random) -> None:
    at = random.randrange(len(raw))
    raw[at : at + random.choice((0, 0, 3, 20))] = random.choice(PIECES)


def another_value(raw: bytearray, random: random.Random) -> None:
    """What stands after a colon becomes something else."""
    colons = [at for at, letter in enumerate(raw) if letter == ord(":")]
    if colons:
        at = random.choice(colons) + 1
        ends = [end for end in (raw.find(b"\n", at), raw.find(b",", at)) if end > 0]
        raw[at : min(ends, default=at)] = b" " + random.choice(PIECES)


MUTATIONS = [flipped, cut, taken_out, swapped, stuffed, stuffed, another_value, another_value]


def checked(capsys: pytest.CaptureFixture[str], path: Path, *arguments: str) -> tuple[int, str]:
    """Exit code of `check`, and what it said. Any other end raises here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lora-marketing", "check", str(path), *arguments])
        try:
            main()
        except SystemExit as ended:
            said = capsys.readouterr()
            return int(ended.code or 0), said.out + said.err
    raise AssertionError("it did not end")


@pytest.mark.parametrize(("seed", "mutants"), [(13, 60), pytest.param(14, 600, marks=pytest.mark.thorough)])
def test_mutants_end_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int, mutants: int
) -> None:
    recipe = write_world(tmp_path / "world")
    sources = {
        "recipe.yaml": RECIPE.encode() + b"lora: {rank: 8}\ntrain: {epochs: 2, learning_rate: 1e-4}\n",
        "brand.yaml": BRAND.encode(),
        "texts.jsonl": write_rows(tmp_path / "rows", rows()).read_bytes(),
    }
    dice = random.Random(seed)
    ended = {0: 0, 2: 0}
    for number in range(mutants):
        name = dice.choice([*sources])
        raw = bytearray(sources[name])
        for _ in range(dice.choice((1, 1, 2))):
            if raw:
                dice.choice(MUTATIONS)(raw, dice)
        for other, whole in sources.items():
            (recipe.parent / other).write_bytes(whole)
        (recipe.parent / name).write_bytes(raw)
        begun = time.monotonic()
        try:
            code, said = checked(capsys, recipe)
        except Exception as error:
            raise AssertionError(f"mutant {number} of {name}: {bytes(raw)[:2000]!r}") from error
        assert time.monotonic() - begun < SECONDS, (number, name, bytes(raw)[:2000])
        assert code in ended, (number, said)
        assert code == 0 or said.startswith("error: "), said
        assert len(said) < 100_000
        ended[code] += 1
    assert min(ended.values()) > mutants / 20, ended


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_folder(path: Path) -> None:
    path.mkdir()


def too_large(path: Path) -> None:
    path.touch()
    os.truncate(path, 60 * 10**9)


@pytest.mark.parametrize("name", ["recipe.yaml", "brand.yaml", "texts.jsonl"])
@pytest.mark.parametrize("make", [a_pipe, a_device, a_folder, too_large])
def test_what_is_no_file_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, make: Callable[[Path], None]
) -> None:
    recipe = write_world(tmp_path)
    (tmp_path / name).unlink()
    make(tmp_path / name)
    begun = time.monotonic()
    code, said = checked(capsys, recipe)
    assert time.monotonic() - begun < SECONDS
    assert code == 2
    assert name in said
    if make is too_large:
        assert "which is the most that is read" in said


@pytest.mark.parametrize("make", [a_pipe, a_device, a_folder, too_large])
@pytest.mark.parametrize("read", [read_copies, read_briefs, read_evaluation])
def test_every_reader_refuses_them(
    tmp_path: Path, read: Callable[[Path], object], make: Callable[[Path], None]
) -> None:
    make(tmp_path / "file")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "file")


PATHS = [
    "nul\0in it",
    "x" * 300,
    "/".join(["deep"] * 2_000),
    "half \ud800 a letter",
    "",
    ".",
    "/dev/zero",
    "~no/x",
]
SHOWN = ["nul", "long", "deep", "half", "empty", "here", "device", "nobody"]
KEYS = ["extends", "brand.profile", "data.train", "data.validation", "base.id", "claims"]


@pytest.mark.parametrize("path", PATHS, ids=SHOWN)
def test_what_cannot_be_a_path_is_an_error_of_the_family(tmp_path: Path, path: str) -> None:
    with pytest.raises(OSError, match=r"."):
        read_outside(tmp_path / path if path != "/dev/zero" else Path(path))
    for read in (read_copies, read_briefs, read_evaluation):
        with pytest.raises(LoraMarketingError):
            read(tmp_path / path)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("path", PATHS, ids=SHOWN)
def test_no_path_in_a_recipe_or_profile_ends_in_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, path: str
) -> None:
    escaped = '"' + "".join(f"\\u{ord(letter):04x}" for letter in path) + '"'
    recipe = write_world(tmp_path)
    section, _, name = key.rpartition(".")
    if key == "claims":
        (tmp_path / "brand.yaml").write_text(BRAND + f"claims: {escaped}\n", encoding="utf-8")
    elif section:
        text = RECIPE.replace(f"{section}:\n", f"{section}:\n  {name}: {escaped}\n")
        kept = [line for line in text.splitlines() if f"{name}:" not in line or escaped in line]
        recipe.write_text("\n".join(kept) + "\n", encoding="utf-8")
    else:
        recipe.write_text(RECIPE + f"{key}: {escaped}\n", encoding="utf-8")
    code, said = checked(capsys, recipe)
    assert code == 2 or (code == 0 and key == "base.id")
    assert "Traceback" not in said


def test_diamonds_are_read_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Forty levels of two files that each extend both of the level below: 2**40 ways."""
    recipe = write_world(tmp_path)
    (tmp_path / "bottom.yaml").write_text(RECIPE, encoding="utf-8")
    for level in range(40):
        below = "bottom.yaml" if level == 0 else f"[a{level - 1}.yaml, b{level - 1}.yaml]"
        for side in "ab":
            (tmp_path / f"{side}{level}.yaml").write_text(f"extends: {below}\n", encoding="utf-8")
    recipe.write_text("extends: [a39.yaml, b39.yaml]\n", encoding="utf-8")
    begun = time.monotonic()
    assert checked(capsys, recipe)[0] == 0
    assert time.monotonic() - begun < SECONDS
    for level in range(200):
        (tmp_path / f"c{level}.yaml").write_text(f"extends: c{level + 1}.yaml\n", encoding="utf-8")
    (tmp_path / "c200.yaml").write_text(RECIPE, encoding="utf-8")
    code, said = checked(capsys, tmp_path / "c0.yaml")
    assert code == 2
    assert "extends too many files" in said


def test_half_a_letter_is_no_json() -> None:
    assert strict_json.loads(b'"\\ud83d\\ude00"') == "😀"
    for raw in (b'"\\ud800"', b'{"a\\udfff": 1}', b'[["\\uD800x"]]'):
        with pytest.raises(strict_json.NotStrictJson):
            strict_json.loads(raw)
