"""Rows in another format: one error that names it, the keys that are wanted, and a command that converts."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lora_marketing.brands.brand import Brief, Example
from lora_marketing.common.errors import DataError
from lora_marketing.data.dataset import prepare, read_briefs
from lora_marketing.data.other_formats import format_problem
from lora_marketing.recipe import load_recipe
from tests.making import rows, write_world

PLAIN = [{key: value for key, value in one.items() if key != "line"} for one in rows()]
PLAIN[0]["text"] = 'It floats, "always"; it\'s soap — £6.'


def table(delimiter: str) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(PLAIN[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(PLAIN)
    return "\ufeff" + file.getvalue()


def lines(made: Sequence[Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in made)


ALPACA = [{"instruction": "Write", "input": one["product"], "output": one["text"]} for one in PLAIN]
SHAREGPT = [
    {"conversations": [{"from": "human", "value": one["product"]}, {"from": "gpt", "value": one["text"]}]}
    for one in PLAIN
]
MESSAGES = [
    {
        "messages": [
            {"role": "user", "content": one["product"]},
            {"role": "assistant", "content": one["text"]},
        ]
    }
    for one in PLAIN
]
PROMPTS = [{"prompt": one["product"], "completion": one["text"]} for one in PLAIN]
FORMATS = {
    "a JSON array": json.dumps(PLAIN, indent=2),
    "a JSON array ": json.dumps(PLAIN),
    "a table with a comma between columns (CSV)": table(","),
    "a table with a semicolon between columns (CSV)": table(";"),
    "a table with a tab between columns (CSV)": table("\t"),
    "Alpaca rows": lines(ALPACA),
    "ShareGPT conversations": lines(SHAREGPT),
    "chat messages": lines(MESSAGES),
    "prompts and completions": lines(PROMPTS),
}


@pytest.mark.parametrize("name", FORMATS)
def test_one_error_names_it_and_its_command_makes_rows(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "a client's folder"
    recipe = write_world(folder)
    (folder / "texts.jsonl").write_text(FORMATS[name], encoding="utf-8")
    with pytest.raises(DataError) as caught:
        prepare(load_recipe(recipe))
    (problem,) = caught.value.problems
    assert problem.got == name.strip()
    assert all(
        key in str(problem.allowed) for key in ("id", "product", "channel", "field", "text", "audience")
    )
    command = str(problem.fix).rpartition("\n")[2].strip().replace("python3", sys.executable)
    subprocess.run(["bash", "-c", command], check=True, cwd=Path.cwd())
    data = prepare(load_recipe(recipe, [f"data.train={folder / 'texts.rows.jsonl'}"]))
    assert {row.text for row in (*data.train, *data.validation)} == {one["text"] for one in PLAIN}


def test_a_document_over_many_lines_and_binary_files_are_named(tmp_path: Path) -> None:
    for content, got in (
        (json.dumps({"rows": PLAIN}, indent=1).encode(), "one JSON document over many lines"),
        (b"PK\x03\x04\xff\xfe", "a spreadsheet or a zip archive"),
        (b"PAR1\xff\xfe", "a Parquet file"),
    ):
        path = tmp_path / "briefs.jsonl"
        path.write_bytes(content)
        with pytest.raises(DataError, match=got) as caught:
            read_briefs(path)
        assert len(caught.value.problems) == 1
        assert "with product, channel, field" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{\n[",
        '{"id": "a", "product": "b", "messages": 1, "extra": 2}',
        "[1, 2]\n",
        "not a table at all",
        "This is prose, with commas.\nAnd more, of, it.\n",
        '{"instruction": "x", "output": "y", "product": "b"}',
        "{" * 5000,
    ],
)
def test_json_lines_with_mistakes_are_told_line_by_line(content: str) -> None:
    for kind in (Brief, Example):
        assert format_problem(Path("x.jsonl"), content.split("\n"), kind) is None
