"""From recipe files to one frozen Recipe: overlays, `--set`, strict keys, and who set what where."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from lora_marketing.brands.brand import Brand, load_brand
from lora_marketing.common.documents import (
    Document,
    FilePlace,
    KeyPath,
    dotted,
    parse_scalar,
    place_of,
    read_document,
    shortened,
    shown,
    validated,
)
from lora_marketing.common.errors import DocumentError, LoraMarketingError, Problem, RecipeError, nearest
from lora_marketing.common.files import is_regular
from lora_marketing.guards import severity_problems
from lora_marketing.recipe.extra import extra_problems, idle_problems
from lora_marketing.recipe.method import method_problems, start_problems
from lora_marketing.recipe.schema import APPROVED, Recipe, path_keys
from lora_marketing.recipe.variants import scaling_problems, unread_keys, variant_problems

FAR = "../../../"
MOST_FILES = 100
"""So many files may one recipe be made of."""


@dataclass(frozen=True)
class KeySetting:
    """One place that set a key: the value it gave, and the file and line."""

    value: Any
    place: FilePlace


@dataclass(frozen=True)
class LoadedRecipe:
    """A checked recipe, the brand it names, and the history of every key (oldest first)."""

    path: Path
    recipe: Recipe
    brand: Brand
    history: Mapping[KeyPath, Sequence[KeySetting]] = field(repr=False)

    @property
    def name(self) -> str:
        """`brand/line`: the registry name of what this recipe trains."""
        return f"{self.brand.name}/{self.recipe.brand.line}"

    @property
    def train_file(self) -> Path:
        """The brand's texts, the review queue that holds them, or its pairs where no texts are named."""
        text = self.recipe.data.train or self.recipe.data.pairs or ""
        return Path(text.removeprefix(APPROVED))

    @property
    def rows_file(self) -> Path:
        """What is trained on: the pairs for preference training, else the brand's texts."""
        pairs = self.recipe.data.pairs
        return Path(pairs) if pairs and self.recipe.train.method == "dpo" else self.train_file

    @property
    def validation_file(self) -> Path | None:
        """Held-out texts, or the queue of them, if the recipe names one."""
        text = self.recipe.data.validation
        return Path(text.removeprefix(APPROVED)) if text else None

    def portable(self) -> dict[str, Any]:
        """The whole resolved recipe as plain data, paths relative to the recipe's folder.

        A file far from it is recorded by its name only: the way there belongs to one machine.
        """
        values = self.recipe.model_dump(mode="json")
        for section, key in path_keys():
            kind, text = _kind_and_path(section, values[section][key])
            if isinstance(text, str) and os.path.isabs(text):
                near = Path(os.path.relpath(text, self.path.parent)).as_posix()
                near = Path(text).name if near.startswith(FAR) else near
                is_id = section == "base" and not near.startswith(".")  # a name would be the catalogue's
                values[section][key] = f"./{near}" if is_id else kind + near
        return values

    def digest(self) -> str:
        """sha256 of the portable recipe: equal on every machine."""
        text = json.dumps(self.portable(), sort_keys=True, ensure_ascii=False)
        return sha256(text.encode()).hexdigest()


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read a recipe with everything it extends, apply `path=value` overrides and check it whole.

    Raises:
        DocumentError: a file is missing or broken.
        RecipeError: all unknown, missing, duplicate and ill-typed keys, and combinations that
            cannot work, at once.
    """
    values, history = _merged(path, overrides)
    places = {key: settings[-1].place for key, settings in history.items()}
    problems = [*extra_problems(_extra_places(values, places), *_layout(values))]
    problems += method_problems(values, places)
    try:
        recipe = validated(Recipe, values, {(): shown(path), **places})
    except RecipeError as error:
        raise RecipeError([*error.problems, *problems]) from None
    allowed = problems or list(idle_problems(recipe.train, _extra_places(values, places)))
    problems = [
        *allowed,
        *variant_problems(recipe, place_of(("lora", "variant"), places)),
        *_unread_problems(recipe, history),
        *scaling_problems(recipe, place_of(("lora", "alpha"), places)),
        *_batch_problems(recipe, place_of(("train", "batch_size"), places)),
        *_missing_files(recipe, places),
    ]
    brand: Brand | None = None
    if is_regular(Path(recipe.brand.profile)):
        try:
            brand = load_brand(Path(recipe.brand.profile))
        except LoraMarketingError as error:
            problems.extend(error.problems)
    if brand and recipe.brand.line not in brand.lines:
        where = place_of(("brand", "line"), places)
        problem = f'brand {brand.name} has no line "{recipe.brand.line}"'
        problems.append(Problem(problem, where, allowed=nearest(recipe.brand.line, brand.lines)))
    if brand:
        problems += severity_problems(brand, Path(recipe.brand.profile))
        name, where = f"{brand.name}/{recipe.brand.line}", place_of(("train", "start"), places)
        problems += start_problems(recipe.train.start, name, where)
    if problems or brand is None:
        raise RecipeError(problems)
    return LoadedRecipe(path, recipe, brand, history)


def _extra_places(
    values: Mapping[str, Any], places: Mapping[KeyPath, FilePlace]
) -> dict[str, FilePlace | None]:
    train = values.get("train")
    extra = train.get("extra") if isinstance(train, dict) else None
    return (
        {name: place_of(("train", "extra", name), places) for name in extra}
        if isinstance(extra, dict)
        else {}
    )


def _layout(values: Mapping[str, Any]) -> tuple[str, str]:
    """`train.method` and `train.packing`, or their defaults where they are not what they may be."""
    train = values.get("train")
    given: Mapping[str, Any] = train if isinstance(train, dict) else {}
    method = "dpo" if given.get("method") == "dpo" else "sft"
    return method, "padded" if given.get("packing") == "padded" else "prefix_tree"


def _merged(path: Path, overrides: Sequence[str]) -> tuple[dict[str, Any], dict[KeyPath, list[KeySetting]]]:
    values: dict[str, Any] = {}
    history: dict[KeyPath, list[KeySetting]] = {}
    for document in _chain(path, (), set()):
        own = {key: value for key, value in document.value.items() if key != "extends"}
        _overlay(values, _with_absolute_paths(own, document.path.parent), document.places, history, ())
    for override, key, value in _parsed(overrides):
        place = f"--set {override}"
        nested: Any = value
        for part in reversed(key):
            nested = {part: nested}
        nested = _with_absolute_paths(nested, Path.cwd())
        _overlay(values, nested, {key[:n]: place for n in range(len(key) + 1)}, history, ())
    return values, history


def _chain(path: Path, below: tuple[str, ...], done: set[str]) -> Iterator[Document]:
    """The documents of a recipe, farthest ancestor first; of several parents the later wins.

    An ancestor that several parents share is read once, where it is needed first, so that it never
    undoes what a parent changed.
    """
    document = None if is_regular(path) else read_document(path)  # which says what it is instead
    resolved = os.path.realpath(path)
    if resolved in done:
        return
    if resolved in below:
        circle = " -> ".join(shown(Path(step)) for step in (*below, resolved))
        raise RecipeError(Problem("extends runs in a circle", shown(path), got=circle))
    if len(below) + len(done) >= MOST_FILES:
        raise RecipeError(Problem("extends too many files", shown(path), allowed=f"at most {MOST_FILES}"))
    document = document or read_document(path)
    parents = document.value.get("extends", [])
    parents = [parents] if isinstance(parents, str) else parents
    where = document.places.get(("extends",))
    if not (isinstance(parents, list) and all(isinstance(parent, str) for parent in parents)):
        allowed = "a path or a list of paths"
        raise RecipeError(Problem("extends is not allowed", where, got=shortened(parents), allowed=allowed))
    for parent in parents:
        if not is_regular(path.parent / parent):
            got = shortened(parent) if parent != shortened(parent)[1:-1] else parent
            raise DocumentError(Problem("extends a file that is not there", where, got=got))
        yield from _chain(path.parent / parent, (*below, resolved), done)
    done.add(resolved)
    yield document


def _overlay(
    values: dict[str, Any],
    upper: Mapping[str, Any],
    places: Mapping[KeyPath, FilePlace],
    history: dict[KeyPath, list[KeySetting]],
    path: KeyPath,
) -> None:
    """Lay `upper` over `values`: mappings merge, everything else replaces."""
    for key, value in upper.items():
        here = (*path, key)
        history.setdefault(here, []).append(KeySetting(value, place_of(here, places) or "?"))
        if isinstance(value, Mapping):
            if not isinstance(values.get(key), dict):
                values[key] = {}
            _overlay(values[key], value, places, history, here)
        else:
            values[key] = value


def _with_absolute_paths(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Copy `values` with the path keys made absolute from the folder of the file that set them."""
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    for section, key in path_keys():
        inner = copy.get(section)
        if not (isinstance(inner, dict) and isinstance(inner.get(key), str)):
            continue
        kind, text = _kind_and_path(section, inner[key])
        if section != "base" or text.startswith((".", "/", "~")):
            inner[key] = kind + os.path.abspath(folder / os.path.expanduser(text))
    return copy


def _kind_and_path(section: str, text: Any) -> tuple[str, Any]:
    """`approved:` and the path, where a path stands for approved texts."""
    if section == "data" and isinstance(text, str) and text.startswith(APPROVED):
        return APPROVED, text.removeprefix(APPROVED)
    return "", text


def _parsed(overrides: Sequence[str]) -> list[tuple[str, tuple[str, ...], Any]]:
    """Each override with its key path and value; all broken ones at once."""
    problems: list[Problem] = []
    parsed = []
    for text in overrides:
        key, separator, value = text.partition("=")
        path = tuple(key.split("."))
        if not (separator and all(path)):
            problems.append(Problem("--set needs path=value", got=text, allowed="--set train.epochs=2"))
            continue
        try:
            parsed.append((text, path, parse_scalar(value)))
        except DocumentError as error:
            problems += [replace(problem, where=f"--set {text}") for problem in error.problems]
    if problems:
        raise RecipeError(problems)
    return parsed


def _batch_problems(recipe: Recipe, where: FilePlace | None) -> Iterator[Problem]:
    train = recipe.train
    if train.micro_batch_size and train.batch_size % min(train.micro_batch_size, train.batch_size):
        yield Problem(
            "train.batch_size must be a multiple of train.micro_batch_size",
            where,
            got=f"{train.batch_size} and {train.micro_batch_size}",
        )


def _unread_problems(recipe: Recipe, history: Mapping[KeyPath, Sequence[KeySetting]]) -> Iterator[Problem]:
    """Keys that do nothing, because no variant that the recipe ever named reads them."""
    before = [setting.value for setting in history.get(("lora", "variant"), ())]
    for key, readers in unread_keys(recipe, before):
        section, _, name = key.partition(".")
        where = history[(section, name)][-1].place
        fix = f"take {key} out, or set lora.variant: {readers}"
        yield Problem(
            f"{key} is read by {readers} only", where, got=f"lora.variant: {recipe.lora.variant}", fix=fix
        )


def _missing_files(recipe: Recipe, places: Mapping[KeyPath, FilePlace]) -> Iterator[Problem]:
    for section, key in sorted(path_keys() - {("base", "id")}):
        _, text = _kind_and_path(section, getattr(getattr(recipe, section), key))
        if text is not None and not is_regular(Path(text)):
            what = f"{dotted((section, key))} is not there"
            got = shown(Path(text)) if text.isprintable() and len(text) < 1000 else shortened(text)
            yield Problem(what, place_of((section, key), places), got=got)
