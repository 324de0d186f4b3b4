"""A brand's texts, read strictly and split the same way on every machine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from lora_marketing.brands.brand import Brand, Brief, Example
from lora_marketing.brands.preference_pairs import PreferencePair, pair_problems
from lora_marketing.channels.structure import require_field
from lora_marketing.common.documents import (
    ModelT,
    place_of,
    read_document,
    shortened,
    shown,
    validated,
    validation_problems,
)
from lora_marketing.common.errors import DataError, Problem, UnknownName, nearest
from lora_marketing.common.files import read_outside_text
from lora_marketing.data.other_formats import binary_problem, format_problem
from lora_marketing.recipe import LoadedRecipe
from lora_marketing.recipe.schema import APPROVED
from lora_marketing.review.rows import approved_rows
from lora_marketing.tasks import task_names
from lora_marketing.text.normalise import all_as_written, view

MINIMUM_ROWS = 8
"""Fewer rows than this cannot be split into training and validation."""


ANSWERED = ("id", "text", "chosen", "rejected")
"""Keys of finished rows and pairs that a brief has not."""


@dataclass(frozen=True)
class Dataset:
    """Training and validation rows (or pairs) of one recipe, and the hash of each."""

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
    moves few others across. Texts of one brief stay together, and equal texts of several briefs.

    Raises:
        DataError: every broken line, row without text, unknown channel and banned term at once.
    """
    recipe, brand, path = loaded.recipe, loaded.brand, loaded.rows_file
    kind = PreferencePair if recipe.train.method == "dpo" else Example
    problems: list[Problem] = []
    source = (recipe.data.pairs if kind is PreferencePair else recipe.data.train) or ""
    all_rows = _rows_of(kind, source, brand, recipe.brand.line, problems)
    held_out: list[Example] = []
    if recipe.data.validation:
        held_out = _rows_of(kind, recipe.data.validation, brand, recipe.brand.line, problems)
    if problems:
        raise DataError(problems)
    rows, dropped = _distinct(all_rows)
    if loaded.validation_file:
        _require_rows(held_out, loaded.validation_file, recipe.brand.line, 1)
        _require_rows(rows, path, recipe.brand.line, 1)
        _require_apart(rows, held_out)
        return Dataset(rows, held_out, dropped)
    _require_rows(rows, path, recipe.brand.line, MINIMUM_ROWS)
    group = _groups(rows)
    groups = sorted(set(group.values()), key=lambda key: _shuffled(recipe.train.seed, key))
    if len(groups) == 1:
        what = "pairs" if kind is PreferencePair else "texts"
        raise DataError(
            Problem(f"all {what} are of one brief or say the same: none can be held out", shown(path))
        )
    chosen = set(groups[: max(1, round(len(groups) * recipe.data.validation_fraction))])
    ordered = sorted(rows, key=lambda row: _shuffled(recipe.train.seed, group[row.id]))
    train = [row for row in rows if group[row.id] not in chosen]
    return Dataset(train, [row for row in ordered if group[row.id] in chosen], dropped)


def _groups(rows: Sequence[Example]) -> dict[str, str]:
    """By id, what is held out as one: rows that a brief or a text joins, also through other rows.

    A group is named by its first row in the order of ids: the id, or the brief of a pair.
    """
    joined: dict[str, str] = {}

    def first(place: str) -> str:
        while (further := joined.get(place, place)) != place:
            place = further
        return place

    ordered = sorted(rows, key=lambda row: row.id)
    for row in ordered:
        for key in _shared(row):
            joined[first(key)] = first(f"row {row.id}")
    named: dict[str, str] = {}
    for row in ordered:
        name = row.key if isinstance(row, PreferencePair) else row.id
        named.setdefault(first(f"row {row.id}"), name)
    return {row.id: named[first(f"row {row.id}")] for row in rows}


def _shared(row: Example) -> tuple[str, str]:
    """What no row of the other side may have: the brief, and the text in one spelling."""
    return f"brief {row.key}", f"text {_said(row.text)}"


def _said(text: str) -> str:
    """A text in one spelling: case, spaces and typography do not count."""
    return " ".join(view(text).text.split()) or text


def _shuffled(seed: int, group: str) -> bytes:
    return sha256(f"{seed}|{group}".encode()).digest()


def read_texts(loaded: LoadedRecipe) -> list[tuple[str, Example]]:
    """The recipe's own texts of all product lines, from its file or its review queue, with their places.

    Of a recipe that names pairs only, they are the chosen ones.

    Raises:
        DataError, ReviewError: as for `prepare`, but nothing is held against the brand.
    """
    problems: list[Problem] = []
    own = loaded.recipe.data
    kind = Example if own.train else PreferencePair
    rows = list(_source(kind, own.train or own.pairs or "", loaded.brand, None, problems))
    if problems:
        raise DataError(problems)
    return rows


def read_examples(path: Path, kind: type[Example] = Example) -> list[tuple[str, Example]]:
    """Read JSON lines of examples, or of another `kind` of row, with the place (`file:line`) of each.

    Raises:
        DataError: all broken lines at once.
    """
    problems: list[Problem] = []
    rows = list(_examples(kind, path, problems))
    if problems:
        raise DataError(problems)
    return rows


def _examples(kind: type[Example], path: Path, problems: list[Problem]) -> Iterator[tuple[str, Example]]:
    ids: dict[str, str] = {}
    for place, value in _json_lines(path, kind, problems):
        example = _typed(kind, value, place, problems)
        if example is None:
            continue
        if example.id in ids:
            problems.append(Problem(f'duplicate id "{example.id}"', place, got=f"first at {ids[example.id]}"))
        ids.setdefault(example.id, place)
        yield place, example.placed(place)


def read_briefs(path: Path) -> list[Brief]:
    """Read briefs from one YAML mapping or from JSON lines; keys of finished rows are ignored.

    Raises:
        DataError, RecipeError: all problems at once.
    """
    if path.suffix in (".yaml", ".yml"):
        document = read_document(path)
        only = validated(Brief, all_as_written(document.value), document.places)
        unknown = list(_brief_problems(only, place_of(("channel",), document.places)))
        if unknown:
            raise DataError(unknown)
        return [only.placed(shown(path))]
    problems: list[Problem] = []
    briefs = []
    for place, value in _json_lines(path, Brief, problems):
        asked = {key: inner for key, inner in value.items() if key not in ANSWERED}
        brief = _typed(Brief, asked, place, problems)
        if brief is not None:
            problems.extend(_brief_problems(brief, place))
            briefs.append(brief.placed(place))
    if problems or not briefs:
        raise DataError(problems or [Problem("no briefs", shown(path))])
    return briefs


def _json_lines(
    path: Path, kind: type[Brief], problems: list[Problem]
) -> Iterator[tuple[str, dict[str, object]]]:
    try:
        lines = read_outside_text(path, encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        unread = Problem("not UTF-8 text", shown(path), fix="save the file as UTF-8")
        raise DataError(binary_problem(path, error.object, kind) or unread) from error
    except OSError as error:
        raise DataError(Problem("cannot be read", shown(path), got=error.strerror)) from error
    if other := format_problem(path, lines, kind):
        raise DataError(other)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"{shown(path)}:{number}"
        try:
            value = all_as_written(json.loads(line, object_pairs_hook=_without_duplicates))
        except json.JSONDecodeError as error:
            got = f"{error.msg} at column {error.colno}: {line[max(0, error.pos - 20) : error.pos + 20]!r}"
            problems.append(Problem("broken JSON", place, got=got, fix="one JSON object a line"))
            continue
        except (ValueError, RecursionError) as error:
            problems.append(Problem("broken JSON", place, got=str(error)))
            continue
        if isinstance(value, dict):
            yield place, value
        else:
            got = f"{shortened(value)} ({type(value).__name__})"
            problems.append(Problem("not a JSON object", place, got, fix="one JSON object a line"))


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"duplicate key {twice if len(twice) <= 80 else shortened(twice)}")
    return found


def _typed(
    model: type[ModelT], value: dict[str, object], place: str, problems: list[Problem]
) -> ModelT | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems.extend(validation_problems(model, value, error, {(): place}, lacks="row without"))
        return None


def _source(
    kind: type[Example], source: str, brand: Brand, line: str | None, problems: list[Problem]
) -> Iterable[tuple[str, Example]]:
    """Rows of a file, or what was approved for the brand in a review queue."""
    if source.startswith(APPROVED) and kind is Example:
        rows = approved_rows(Path(source.removeprefix(APPROVED)), brand.name, line)
        return [(place, row.placed(place)) for place, row in rows]
    return _examples(kind, Path(source), problems)


def _rows_of(
    kind: type[Example], source: str, brand: Brand, line: str, problems: list[Problem]
) -> list[Example]:
    rows = []
    for place, example in _source(kind, source, brand, line, problems):
        problems.extend(_row_problems(example, brand, place))
        if example.line in (None, line):
            rows.append(example)
    return rows


def _row_problems(example: Example, brand: Brand, place: str) -> Iterator[Problem]:
    yield from _brief_problems(example, place)
    if isinstance(example, PreferencePair):
        yield from pair_problems(example, place)
    if example.line is not None and example.line not in brand.lines:
        allowed = nearest(example.line, brand.lines)
        yield Problem(f'brand {brand.name} has no line "{example.line}"', place, allowed=allowed)
    text = "chosen text" if isinstance(example, PreferencePair) else "text"
    for term in brand.forbidden_in(example.text):
        yield Problem(
            f"{text} of {brand.name} contains a banned term or competitor",
            place,
            got=term,
            fix="rewrite the row, or take the term out of the brand profile",
        )


def _brief_problems(brief: Brief, place: str | None) -> Iterator[Problem]:
    """An unknown task, channel or field."""
    if brief.task not in task_names():
        yield Problem(f'unknown task "{brief.task}"', place, allowed=nearest(brief.task, task_names()))
    try:
        require_field(brief.channel, brief.field)
    except UnknownName as error:
        for problem in error.problems:
            yield replace(problem, where=place)


def _distinct(rows: Sequence[Example]) -> tuple[list[Example], int]:
    seen: set[str] = set()
    kept = []
    for row in rows:
        key = row.model_dump_json(exclude={"id"})
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


def _require_apart(train: Sequence[Example], held_out: Sequence[Example]) -> None:
    texts = {_said(row.text): row.id for row in train}
    briefs = {row.key: row.id for row in train}
    problems = [
        Problem(f"a held-out {what} is also trained on", row.place, got=f"{row.id} equals {equal}")
        for row in held_out
        for what, equal in (("text", texts.get(_said(row.text))), ("brief", briefs.get(row.key)))
        if equal
    ]
    if problems:
        raise DataError(problems)


def _rows_hash(rows: Sequence[Example]) -> str:
    text = "\n".join(row.model_dump_json() for row in rows)
    return sha256(text.encode()).hexdigest()
