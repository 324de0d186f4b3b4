"""What the documents name is there, and the drawing of the house is of today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import draw_house
from tests.making import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]*\.(?:py|yaml|jinja|toml|svg|png|json|jsonl|md))`")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_links_of_a_document_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    places = (ROOT, ROOT / "lora_marketing", ROOT / "recipes", ROOT / "recipes" / "brands", document.parent)
    named = {name for name in FILE.findall(text) if not name.startswith(("runs/", "copies/", "adapters/"))}
    gone = sorted(name for name in named if not any((place / name).exists() for place in places))
    broken = sorted(link for link in LINK.findall(text) if not (document.parent / link).exists())
    assert (gone, broken) == ([], [])
    tests = [f"{file}::{name}" for file, name in TEST.findall(text) if f"def {name}(" not in read(file)]
    assert tests == []


def read(file: str) -> str:
    path = ROOT / file
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_the_house_is_drawn_as_it_is() -> None:
    drawn = draw_house.PICTURE.read_text(encoding="utf-8")
    assert draw_house.drawing() == drawn, "imports changed: python scripts/draw_house.py"
