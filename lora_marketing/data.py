"""A brand's texts, read strictly and split the same way on every machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from lora_marketing.brand import Brand, Brief, Example
from lora_marketing.channels import load_limit
from lora_marketing.documents import Model, dotted, read_document, shown, validated
from lora_marketing.errors import DataError, LoraMarketingError, Problem, nearest
from lora_marketing.recipe import LoadedRecipe

MINIMUM_ROWS = 8
"""Fewer rows than this cannot be split into training and validation."""


@dataclass(frozen=True)
class Dataset:
    """Training and validation rows of one recipe, and the hash of each."""

    train: Sequence[Example]
    validation: Sequence[Example]
    duplicates_dropped: int

    def hashes(self) -> dict[str, str | int]:
        """What goes into the manifest: sha256 of both splits and their sizes."""
        return {
            "train_sha256": _rows_hash(self.train),
            "train_rows": len(self.train),
            "validation_sha256": _rows_hash(self.validation),
            "validation_rows": len(self.validation),
            "duplicates_dropped": self.duplicates_dropped,
        }


def prepare(loaded: LoadedRecipe) -> Dataset:
    """Read the recipe's rows of its product line, check them against the brand, and split.

    Exact duplicates are dropped and counted. Without `data.validation`, rows are ordered by a
    hash of seed and id and the first `validation_fraction` of them is held out, so adding rows
    moves few others across.

    Raises:
        DataError: every broken line, row without text, unknown channel and banned term at once.
    """
    recipe, brand, path = loaded.recipe, loaded.brand, loaded.train_file
    rows, dropped = _distinct(_rows_of(path, brand, recipe.brand.line))
    if loaded.validation_file:
        held_out = _rows_of(loaded.validation_file, brand, recipe.brand.line)
        _require_rows(held_out, loaded.validation_file, recipe.brand.line, 1)
        _require_rows(rows, path, recipe.brand.line, 1)
        return Dataset(rows, held_out, dropped)
    _require_rows(rows, path, recipe.brand.line, MINIMUM_ROWS)
    ordered = sorted(rows, key=lambda row: sha256(f"{recipe.train.seed}|{row.id}".encode()).digest())
    size = max(1, round(len(rows) * recipe.data.validation_fraction))
    chosen = {row.id for row in ordered[:size]}
    train = [row for row in rows if row.id not in chosen]
    return Dataset(train, ordered[:size], dropped)


def read_examples(path: Path) -> list[tuple[str, Example]]:
    """Read JSON lines of examples with the place (`file:line`) of each.

    Raises:
        DataError: all broken lines at once.
    """
    problems: list[Problem] = []
    found: list[tuple[str, Example]] = []
    ids: dict[str, str] = {}
    for place, value in _json_lines(path, problems):
        example = _typed(Example, value, place, problems)
        if example is None:
            continue
        if example.id in ids:
            problems.append(Problem(f'duplicate id "{example.id}"', place, got=f"first at {ids[example.id]}"))
        ids.setdefault(example.id, place)
        found.append((place, example))
    if problems:
        raise DataError(problems)
    return found


def read_briefs(path: Path) -> list[Brief]:
    """Read briefs from one YAML mapping or from JSON lines; keys of finished rows are ignored.

    Raises:
        DataError, RecipeError: all problems at once.
    """
    if path.suffix in (".yaml", ".yml"):
        document = read_document(path)
        return [validated(Brief, document.value, document.places)]
    problems: list[Problem] = []
    briefs = []
    for place, value in _json_lines(path, problems):
        asked = {key: inner for key, inner in value.items() if key not in ("id", "text")}
        brief = _typed(Brief, asked, place, problems)
        if brief is not None:
            problems.extend(_channel_problems(brief, place))
            briefs.append(brief)
    if problems:
        raise DataError(problems)
    return briefs


def _json_lines(path: Path, problems: list[Problem]) -> Iterator[tuple[str, dict[str, object]]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(Problem("not UTF-8 text", shown(path), fix="save the file as UTF-8")) from error
    except OSError as error:
        raise DataError(Problem("cannot be read", shown(path), got=error.strerror)) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{shown(path)}:{number}"
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            got = f"{error.msg} at column {error.colno}: {line[max(0, error.pos - 20) : error.pos + 20]!r}"
            problems.append(Problem("broken JSON", place, got=got, fix="one JSON object a line"))
            continue
        if isinstance(value, dict):
            yield place, value
        else:
            problems.append(Problem("not a JSON object", place, got=type(value).__name__))


def _typed(model: type[Model], value: dict[str, object], place: str, problems: list[Problem]) -> Model | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            key = dotted(detail["loc"])
            if detail["type"] == "extra_forbidden":
                allowed = nearest(key, model.model_fields)
                problems.append(Problem(f"unknown key {key}", place, allowed=allowed))
            elif detail["type"] == "missing":
                problems.append(Problem(f"row without {key}", place, fix=f'add "{key}"'))
            else:
                problems.append(Problem(f"{key} is not allowed", place, repr(detail["input"]), detail["msg"]))
        return None


def _rows_of(path: Path, brand: Brand, line: str) -> list[Example]:
    problems: list[Problem] = []
    rows = []
    for place, example in read_examples(path):
        problems.extend(_row_problems(example, brand, place))
        if example.line in (None, line):
            rows.append(example)
    if problems:
        raise DataError(problems)
    return rows


def _row_problems(example: Example, brand: Brand, place: str) -> Iterator[Problem]:
    yield from _channel_problems(example, place)
    if example.line is not None and example.line not in brand.lines:
        allowed = nearest(example.line, brand.lines)
        yield Problem(f'brand {brand.name} has no line "{example.line}"', place, allowed=allowed)
    for term in brand.forbidden_in(example.text):
        yield Problem(
            f"text of {brand.name} contains a banned term or competitor",
            place,
            got=term,
            fix="rewrite the row, or take the term out of the brand profile",
        )


def _channel_problems(brief: Brief, place: str) -> Iterator[Problem]:
    try:
        load_limit(brief.channel, brief.field)
    except LoraMarketingError as error:
        for problem in error.problems:
            yield Problem(problem.what, place, allowed=problem.allowed)


def _distinct(rows: Sequence[Example]) -> tuple[list[Example], int]:
    seen: set[tuple[str, str]] = set()
    kept = []
    for row in rows:
        key = (row.brief().model_dump_json(), row.text)
        if key not in seen:
            kept.append(row)
        seen.add(key)
    return kept, len(rows) - len(kept)


def _require_rows(rows: Sequence[Example], path: Path, line: str, minimum: int) -> None:
    if len(rows) < minimum:
        raise DataError(
            Problem(
                "too few rows to train on" if rows else "no rows to train on",
                shown(path),
                got=f"{len(rows)} rows of line {line}",
                allowed=f"at least {minimum}",
            )
        )


def _rows_hash(rows: Sequence[Example]) -> str:
    text = "\n".join(row.model_dump_json() for row in rows)
    return sha256(text.encode()).hexdigest()
