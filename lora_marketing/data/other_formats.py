"""Files that hold rows in another format than JSON lines: named once, with a command that converts them."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_marketing.brands.brand import Brief
from lora_marketing.common.errors import Problem
from lora_marketing.common.files import shown

_PRINT = "print(json.dumps(row, ensure_ascii=False))"
LONGEST_CELL = 60
"""Letters of a column's name. A sentence with commas is no head of a table."""
_OTHERS = {
    "product": "'NAME THE PRODUCT'",
    "channel": "'meta_feed'",
    "field": "'primary_text'",
}
_BINARY = {b"PK\x03\x04": "a spreadsheet or a zip archive", b"PAR1": "a Parquet file", b"\x1f\x8b": "gzip"}


@dataclass(frozen=True)
class ChatFormat:
    """Rows of a known data set format: how it is told, and where product and text are, in Python."""

    name: str
    keys: frozenset[str]
    product: str
    text: str


_CHATS = (
    ChatFormat(
        "Alpaca rows",
        frozenset({"instruction", "output"}),
        "row.get('input') or row['instruction']",
        "row['output']",
    ),
    ChatFormat(
        "ShareGPT conversations",
        frozenset({"conversations"}),
        "row['conversations'][-2]['value']",
        "row['conversations'][-1]['value']",
    ),
    ChatFormat(
        "chat messages",
        frozenset({"messages"}),
        "row['messages'][-2]['content']",
        "row['messages'][-1]['content']",
    ),
    ChatFormat(
        "prompts and completions", frozenset({"prompt", "completion"}), "row['prompt']", "row['completion']"
    ),
)


def format_problem(path: Path, lines: Sequence[str], kind: type[Brief]) -> Problem | None:
    """What a file is if it is not JSON lines of `kind`, the keys that are wanted, and how to convert it.

    None if it is JSON lines, perhaps with mistakes, or nothing that is known.
    """
    filled = [line.strip() for line in lines if line.strip()]
    if not filled:
        return None
    first, second = filled[0], filled[1] if len(filled) > 1 else ""
    if first == "[" or (first.startswith("[") and first[1:].lstrip().startswith("{")):
        code = f"import json; [{_PRINT} for row in json.load(open({str(path.name)!r}, encoding='utf-8-sig'))]"
        return _problem("a JSON array", path, kind, code)
    if first == "{" and second.startswith('"'):
        return _problem("one JSON document over many lines", path, kind, None)
    if not first.startswith("{"):
        return _table(path, filled[:20], kind)
    row = _object(first)
    chat = next((one for one in _CHATS if row is not None and one.keys <= row.keys()), None)
    if chat is None or row is None or kind.model_fields.keys() & row.keys() - {"id", "text", "messages"}:
        return None
    values = {"id": "f'row-{n}'", **_OTHERS, "product": chat.product, "text": chat.text}
    made = ", ".join(f"'{key}': {value}" for key, value in values.items())
    rows = f"enumerate(map(json.loads, open({str(path.name)!r}, encoding='utf-8-sig')), 1)"
    code = f"import json; [{_PRINT.replace('row', '{' + made + '}', 1)} for n, row in {rows}]"
    return _problem(chat.name, path, kind, code)


def binary_problem(path: Path, head: bytes, kind: type[Brief]) -> Problem | None:
    """What a file is that is no text at all."""
    found = next((name for magic, name in _BINARY.items() if head.startswith(magic)), None)
    return _problem(found, path, kind, None) if found else None


def _table(path: Path, lines: Sequence[str], kind: type[Brief]) -> Problem | None:
    for delimiter, name in ((",", "comma"), (";", "semicolon"), ("\t", "tab")):
        head, *below = csv.reader(lines, delimiter=delimiter)
        wanted = kind.model_fields.keys() & {cell.strip() for cell in head}
        short = len(head) > 1 and all(cell and len(cell) <= LONGEST_CELL for cell in head)
        if short and (len(wanted) > 1 or (below and all(len(row) == len(head) for row in below))):
            options = "" if delimiter == "," else f", delimiter={delimiter!r}"
            rows = f"csv.DictReader(open({str(path.name)!r}, encoding='utf-8-sig', newline=''){options})"
            code = f"import csv, json; [{_PRINT} for row in {rows}]"
            return _problem(f"a table with a {name} between columns (CSV)", path, kind, code)
    return None


def _object(line: str) -> Mapping[str, object] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _problem(name: str, path: Path, kind: type[Brief], code: str | None) -> Problem:
    fields = kind.model_fields.items()
    required = [field.alias or key for key, field in fields if field.is_required()]
    more = [key for key, field in fields if not field.is_required()]
    wanted = f"JSON lines: one object a line with {', '.join(required)}, and if you like {', '.join(more)}"
    fix = "save it as JSON lines"
    if code:
        target = path.with_name(f"{path.stem}.rows.jsonl").name
        folder = shown(path.parent)
        where = "" if folder == "." else f"cd {shlex.quote(folder)} && "
        command = f"{where}python3 -c {shlex.quote(code)} > {shlex.quote(target)}"
        fix = f"convert it, put in what is missing, and name the new file:\n        {command}"
    return Problem("not JSON lines", shown(path), got=name, allowed=wanted, fix=fix)
