"""YAML 1.2 documents that remember the line of every key, and typed models built from them.

YAML 1.1 reads `market: NO` as false, `sku: 0123` as 83 and keeps the last of two equal keys;
this reader follows YAML 1.2 and refuses duplicates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lora_marketing.errors import DocumentError, Problem, RecipeError, nearest

KeyPath = tuple[str | int, ...]
Place = str
"""`file:line` as shown to a person."""


class Frozen(BaseModel):
    """A strict, immutable record: unknown keys and ill-typed values are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


Model = TypeVar("Model", bound=Frozen)


@dataclass(frozen=True)
class Document:
    """Plain values of one YAML file and the place (`file:line`) each key was written at."""

    path: Path
    value: dict[str, Any]
    places: Mapping[KeyPath, Place] = field(repr=False)


def shown(path: Path) -> str:
    """The shorter of the absolute path and the path relative to the working directory."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


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
            duplicate keys or keys that are not strings (all of the last two at once).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(Problem("not UTF-8 text", shown(path), fix="save the file as UTF-8")) from error
    except OSError as error:
        raise DocumentError(Problem("cannot be read", shown(path), got=error.strerror)) from error
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{shown(path)}:{mark.line + 1}" if mark else shown(path)
        raise DocumentError(Problem("broken YAML", where, got=error.problem)) from error
    except YAMLError as error:
        raise DocumentError(Problem("broken YAML", shown(path), got=str(error))) from error
    if not isinstance(root, MappingNode):
        raise DocumentError(Problem("must be a mapping of keys to values", f"{shown(path)}:1"))
    reader = _Reader(yaml, path)
    value = reader.convert(root, ())
    if reader.problems:
        raise DocumentError(reader.problems)
    return Document(path, value, reader.places)


class _Reader:
    """Turns composed YAML nodes into plain values and notes their places."""

    def __init__(self, yaml: YAML, path: Path) -> None:
        self.yaml = yaml
        self.file = shown(path)
        self.places: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []

    def convert(self, node: Node, path: KeyPath) -> Any:
        self.places.setdefault(path, self._place(node))
        if isinstance(node, MappingNode):
            return dict(self._items(node, path))
        if isinstance(node, SequenceNode):
            return [self.convert(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self.yaml.constructor.construct_object(node)

    def _items(self, node: MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        seen: dict[str, Place] = {}
        for key_node, value_node in node.value:
            key, place = self.convert(key_node, (*path, "<key>")), self._place(key_node)
            if not isinstance(key, str):
                self.problems.append(Problem("keys must be strings", place, got=repr(key), fix="quote it"))
                continue
            if key in seen:
                name = dotted((*path, key))
                self.problems.append(Problem(f"duplicate key {name}", place, got=f"first set at {seen[key]}"))
                continue
            seen[key] = self.places[(*path, key)] = place
            yield key, self.convert(value_node, (*path, key))

    def _place(self, node: Node) -> Place:
        return f"{self.file}:{node.start_mark.line + 1}"


def parse_scalar(text: str) -> Any:
    """Read one YAML 1.2 value from a command line, as `--set train.epochs=2` does."""
    return YAML(typ="safe", pure=True).load(text)


def validated(model: type[Model], value: Mapping[str, Any], places: Mapping[KeyPath, Place]) -> Model:
    """Build `model` from plain values.

    Raises:
        RecipeError: every unknown, missing and ill-typed key at once, each with its place.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise RecipeError(
            [_problem(model, detail, places) for detail in error.errors(include_url=False)]
        ) from None


def _problem(model: type[BaseModel], detail: Any, places: Mapping[KeyPath, Place]) -> Problem:
    path: KeyPath = tuple(part for part in detail["loc"] if part != "[key]")
    where = place_of(path, places)
    if detail["type"] == "extra_forbidden":
        fields = _fields_at(model, path[:-1])
        return Problem(f"unknown key {dotted(path)}", where, allowed=nearest(str(path[-1]), fields))
    if detail["type"] == "missing":
        return Problem(f"missing key {dotted(path)}", where, fix=f"add {dotted(path)}")
    got = f"{detail['input']!r} ({type(detail['input']).__name__})"
    fix = "quote the value" if detail["type"] == "string_type" else None
    return Problem(f"{dotted(path)} is not allowed", where, got, detail["msg"], fix)


def place_of(path: KeyPath, places: Mapping[KeyPath, Place]) -> Place | None:
    """The place of `path`, or of the nearest key above it that was written down."""
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return None


def _fields_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    for part in path:
        inner = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return [info.alias or name for name, info in model.model_fields.items()]
