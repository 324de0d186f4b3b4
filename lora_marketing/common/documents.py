"""YAML 1.2 documents that remember the line of every key, and typed models built from them.

YAML 1.1 reads `market: NO` as false, `sku: 0123` as 83 and keeps the last of two equal keys;
this reader follows YAML 1.2's core schema (text, numbers, true, false, null; dates are text) and
refuses duplicate keys, merge keys, tags and directives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from lora_marketing.common.errors import DocumentError, Problem, RecipeError, capped, nearest
from lora_marketing.common.files import read_outside_text
from lora_marketing.common.files import shown as shown

KeyPath = tuple[str | int, ...]
FilePlace = str
"""`file:line` as shown to a person."""

_TAG = "tag:yaml.org,2002:"
_MERGE_TAG = f"{_TAG}merge"
_TEXT_TAGS = frozenset(f"{_TAG}{name}" for name in ("str", "timestamp", "value"))
_VALUE_TAGS = frozenset(f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "map", "seq"))
_MAX_VALUES = 100_000
"""More values than this come from aliases of aliases, not from a person."""
_MAX_DEPTH = 50
_MAX_BITS = 256
"""Of a whole number. Larger ones cannot even be written out."""
MOST_BYTES = 1_000_000
"""Of one document: the reader takes seconds for it."""
MOST_PROBLEMS = 200
"""So many problems of one document are told; a person who has more begins with these."""


class Frozen(BaseModel):
    """A strict, immutable record: unknown keys and ill-typed values are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


ModelT = TypeVar("ModelT", bound=Frozen)


@dataclass(frozen=True)
class Document:
    """Plain values of one YAML file and the place (`file:line`) each key was written at."""

    path: Path
    value: dict[str, Any]
    places: Mapping[KeyPath, FilePlace] = field(repr=False)


def dotted(path: KeyPath) -> str:
    """Write a key path as a person would: `train.extra` or `facts[2]`.

    >>> dotted(("facts", 2))
    'facts[2]'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_document(path: Path) -> Document:
    """Read one YAML 1.2 mapping with the place of every key.

    Raises:
        DocumentError: the file is missing, is not UTF-8, is not a mapping, has broken syntax,
            duplicate keys, keys that are not strings, tags or merge keys (all of the last four at once).
    """
    try:
        text = read_outside_text(path, MOST_BYTES)
    except UnicodeDecodeError as error:
        raise DocumentError(Problem("not UTF-8 text", shown(path), fix="save the file as UTF-8")) from error
    except OSError as error:
        raise DocumentError(Problem("cannot be read", shown(path), got=error.strerror)) from error
    value, places = _read(text, shown(path))
    if not isinstance(value, dict):
        got = "an empty file" if value is None else f"a {type(value).__name__}"
        raise DocumentError(Problem("must be a mapping of keys to values", f"{shown(path)}:1", got=got))
    return Document(path, value, places)


def packaged_document(package: str, *parts: str) -> Document:
    """Read a YAML file that comes with the kit, such as ("lora_marketing.bases", "catalogue.yaml").

    Raises:
        DocumentError: as `read_document` says.
    """
    with as_file(files(package).joinpath(*parts)) as path:
        return read_document(path)


def parse_scalar(text: str) -> Any:
    """Read one YAML 1.2 value from a command line, as `--set train.epochs=2` does.

    Raises:
        DocumentError: broken syntax, duplicate keys, keys that are not strings, tags.
    """
    return _read(text, "value")[0]


def _read(text: str, file: str) -> tuple[Any, dict[KeyPath, FilePlace]]:
    yaml = YAML(typ="safe", pure=True)
    reader = _Reader(yaml, file)
    directive = re.search(r"^%", text, re.MULTILINE)
    if directive:
        where = f"{file}:{_line_of(text, directive.start())}"
        raise DocumentError(Problem("YAML directives are not allowed", where, fix="remove the line"))
    try:
        if any(_brackets_left_open(line) > _MAX_DEPTH for line in text.split("\n")):
            raise RecursionError  # each bracket would be compared with all before it
        root = yaml.compose(text)
        value = None if root is None else reader.convert(root, ())
    except MarkedYAMLError as error:
        raise DocumentError(_syntax_problem(error, file)) from error
    except ReaderError as error:
        where, got = (
            f"{file}:{_line_of(text, error.position)}",
            f"character U+{ord(text[error.position]):04X}",
        )
        raise DocumentError(Problem("broken YAML", where, got)) from error
    except (YAMLError, ValueError, OverflowError) as error:
        raise DocumentError(Problem("broken YAML", file, got=shortened(str(error)))) from error
    except RecursionError as error:
        raise DocumentError(Problem("nested too deeply, or an alias within itself", file)) from error
    if reader.problems:
        raise DocumentError(reader.problems)
    return value, reader.places


def _brackets_left_open(line: str) -> int:
    """The most that are open at one place of a line."""
    if line.count("[") + line.count("{") <= _MAX_DEPTH:
        return 0
    steps = ((letter in "[{") - (letter in "]}") for letter in line)
    return max(accumulate(steps))


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _syntax_problem(error: MarkedYAMLError, file: str) -> Problem:
    mark, begin = error.problem_mark or error.context_mark, error.context_mark
    where = f"{file}:{mark.line + 1}" if mark else file
    since = f" {error.context} that begins in line {begin.line + 1}" if begin and error.context else ""
    return Problem("broken YAML", where, got=f"{error.problem}{since}")


class _Reader:
    """Turns composed YAML nodes into plain values and notes their places."""

    def __init__(self, yaml: YAML, file: str) -> None:
        self.yaml = yaml
        self.file = file
        self.places: dict[KeyPath, FilePlace] = {}
        self.problems: list[Problem] = []

    def convert(self, node: Node, path: KeyPath) -> Any:
        self.places.setdefault(path, self._place(node))
        if len(self.places) > _MAX_VALUES:
            raise DocumentError(Problem(f"more than {_MAX_VALUES} values", self._place(node)))
        if len(path) > _MAX_DEPTH:
            raise RecursionError  # here, and not wherever this is copied, compared or shown
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if node.tag not in _VALUE_TAGS:
            self._refuse_tag(node, path)
        if isinstance(node, MappingNode):
            return dict(self._items(node, path))
        return [self.convert(child, (*path, index)) for index, child in enumerate(node.value)]

    def _items(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: dict[str, FilePlace] = {}
        for key_node, value_node in node.value:
            place, key = self._place(key_node), key_node.value
            if key_node.tag == _MERGE_TAG:
                fix = "write the keys out, or use extends in a recipe"
                self.problems.append(Problem("merge keys (<<) are not allowed", place, fix=fix))
            elif key_node.tag not in _TEXT_TAGS:
                got = str(key) if isinstance(key_node, ScalarNode) else "a list or mapping"
                self.problems.append(Problem("keys must be strings", place, got=got, fix="quote it"))
            elif not _encodable(key):
                self.problems.append(Problem("a key is not Unicode text", place, got=ascii(key[:80])))
            elif key in seen:
                name = dotted((*path, key))
                self.problems.append(Problem(f"duplicate key {name}", place, got=f"first set at {seen[key]}"))
            else:
                seen[key] = self.places[(*path, key)] = place
                yield key, self.convert(value_node, (*path, key))

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        if node.tag in _TEXT_TAGS or (node.tag == _MERGE_TAG and node.value == "<<"):
            if not _encodable(node.value):
                self.problems.append(Problem(f"{dotted(path)} is not Unicode text", self._place(node)))
            return node.value
        if node.tag not in _VALUE_TAGS:
            self._refuse_tag(node, path)
            return None
        try:
            value = self.yaml.constructor.construct_object(node)
            if isinstance(value, int) and value.bit_length() > _MAX_BITS:
                raise ValueError(f"a whole number of {value.bit_length():,} bits")
            return value
        except (ValueError, OverflowError) as error:
            self.problems.append(Problem(f"{dotted(path)} cannot be read", self._place(node), got=str(error)))
        return None

    def _refuse_tag(self, node: Node, path: KeyPath) -> None:
        what = f"{dotted(path)} has a tag, and tags are not allowed"
        self.problems.append(Problem(what, self._place(node), got=node.tag, fix="remove the tag"))

    def _place(self, node: Node) -> FilePlace:
        return f"{self.file}:{node.start_mark.line + 1}"


def _encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def validated(model: type[ModelT], value: Mapping[str, Any], places: Mapping[KeyPath, FilePlace]) -> ModelT:
    """Build `model` from plain values.

    Raises:
        RecipeError: every unknown, missing and ill-typed key at once, each with its place.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise RecipeError(capped(validation_problems(model, value, error, places), MOST_PROBLEMS)) from None


def validation_problems(
    model: type[BaseModel],
    value: Any,
    error: ValidationError,
    places: Mapping[KeyPath, FilePlace],
    lacks: str = "missing key",
) -> Iterator[Problem]:
    """What pydantic found, told by key and place. The branches of a union make one problem together."""
    details: dict[KeyPath, list[Any]] = {}
    for detail in error.errors(include_url=False):
        details.setdefault(_written(detail["loc"], value, detail["type"] == "missing"), []).append(detail)
    compared = 0
    for path, said in details.items():
        where = place_of(path, places)
        if said[0]["type"] == "extra_forbidden":
            compared += 1
            few = compared <= MOST_PROBLEMS
            allowed = nearest(str(path[-1]), _fields_at(model, path[:-1])) if few else None
            yield Problem(f"unknown key {dotted(path)}", where, allowed=allowed)
        elif said[0]["type"] == "missing":
            yield Problem(f"{lacks} {dotted(path)}", where, fix=f"add {dotted(path)}")
        else:
            yield _not_allowed(path, said, where)


def _written(path: KeyPath, value: Any, missing: bool) -> KeyPath:
    """`path` without the names of union branches and other steps that were never written down."""
    for length, part in enumerate(path):
        found = (
            value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        )
        if part not in found:
            return path[: length + 1] if missing else path[:length]
        value = value[part]
    return path


def _not_allowed(path: KeyPath, details: list[Any], where: FilePlace | None) -> Problem:
    value = details[0]["input"]
    allowed = ", or ".join(dict.fromkeys(re.sub(" or instance of .*", "", said["msg"]) for said in details))
    wants_text = all(said["type"] == "string_type" for said in details)
    fix = "quote the value" if wants_text and isinstance(value, int | float) else None
    return Problem(
        f"{dotted(path)} is not allowed", where, f"{shortened(value)} ({_kind(value)})", allowed, fix
    )


def shortened(value: object) -> str:
    """`repr`, cut to what fits on a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]} … {text[-12:]}"


def _kind(value: object) -> str:
    return "nothing" if value is None else type(value).__name__


def place_of(path: KeyPath, places: Mapping[KeyPath, FilePlace]) -> FilePlace | None:
    """The place of `path`, or of the nearest key above it that was written down."""
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return None


def _fields_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Keys of the model at `path`, through mappings and lists of models."""
    kind: Any = model
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = next(
                info.annotation for name, info in kind.model_fields.items() if part in (name, info.alias)
            )
        else:
            kind = get_args(kind)[-1]
    return [info.alias or name for name, info in kind.model_fields.items()]
