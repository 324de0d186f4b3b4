"""What may import what, proved over every file of the package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeGuard

import pytest

from tests.making import ROOT

PACKAGE = ROOT / "lora_marketing"
NAME = PACKAGE.name

ORDER = (
    "__init__",
    "common",
    "text",
    "brands",
    "channels",
    "tasks",
    "guards",
    "copy",
    "review",
    "recipe",
    "data",
    "tokens",
    "bases",
    "metrics",
    "evaluation",
    "abtest",
    "planning",
    "registry",
    # ──── torch line ────
    "engine",
    "training",
    "writing",
    # ──── doors: may import anything inside functions ────
    "runs",
    "model_eval",
    "tuning",
    "serving",
    "cli",
)
RANK = {part: rank for rank, part in enumerate(ORDER)}
TORCH_LINE = RANK["registry"]
DOORS = RANK["runs"]
HEAVY = {"torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate"}
SLOW = HEAVY | {"sklearn", "scipy", "matplotlib", "rich"}
LONG_FILES: frozenset[str] = frozenset()
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 70
MOST_PARAMETERS = 7
MANY_PARAMETERS = (
    "training.attention.tree_attention",  # the signature that transformers calls it by
    "training.fused._forest_attention",
)
"""Functions that may have more; in `cli` a parameter is an option of a command."""


@dataclass(frozen=True)
class Import:
    """One imported module, and whether importing the file is enough to import it."""

    module: str
    at_import: bool
    line: int


@dataclass(frozen=True)
class Source:
    """One parsed file of the package."""

    path: Path
    module: str
    tree: ast.Module
    imports: tuple[Import, ...]

    @property
    def part(self) -> str:
        """The word of ORDER that it belongs to."""
        return self.module.split(".")[1] if "." in self.module else "__init__"

    def says(self, line: int) -> str:
        return f"{self.module}:{line}"


def type_checking(node: ast.AST) -> TypeGuard[ast.If]:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports_of(node: ast.AST, modules: frozenset[str], package: str, at_import: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, at_import, node.lineno)
    elif isinstance(node, ast.ImportFrom):
        base = package.rsplit(".", node.level - 1)[0] + "." if node.level else ""
        source = (base + (node.module or "")).rstrip(".")
        for alias in node.names:
            whole = f"{source}.{alias.name}"
            yield Import(whole if whole in modules else source, at_import, node.lineno)
    else:
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        children = node.orelse if type_checking(node) else ast.iter_child_nodes(node)
        for child in children:
            yield from imports_of(child, modules, package, at_import and not inside)


def read(root: Path) -> dict[str, Source]:
    """Every Python file below `root` by module name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        steps = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(steps[:-1] if steps[-1] == "__init__" else steps)] = path
    modules = frozenset(found)
    sources = {}
    for module, path in found.items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        sources[module] = Source(path, module, tree, tuple(imports_of(tree, modules, package, True)))
    return sources


SOURCES = read(PACKAGE)


def rank(module: str) -> int:
    """Where a module stands: the place of its wing in ORDER."""
    return RANK[module.split(".")[1] if "." in module else "__init__"]


def left_of_the_torch_line(source: Source) -> bool:
    return rank(source.module) <= TORCH_LINE


@pytest.mark.thorough
def test_it_looks_at_every_file() -> None:
    """The folder, the import system and this test know the same files."""
    files = {path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyi", ".pyx", ".so")}
    assert {source.path for source in SOURCES.values()} == files
    assert len(SOURCES) == len(files) >= 60
    script = (
        "import pkgutil, lora_marketing as p;"
        " print(*(m.name for m in pkgutil.walk_packages(p.__path__, p.__name__ + '.', onerror=print)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert {NAME, *run.stdout.split()} == set(SOURCES)


def test_it_sees_every_import() -> None:
    """As many import statements as a plain search finds, less those for type checkers."""
    for source in SOURCES.values():
        statements = [node for node in ast.walk(source.tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        free = {
            inner.lineno
            for node in ast.walk(source.tree)
            if isinstance(node, ast.If) and type_checking(node)
            for part in node.body
            for inner in ast.walk(part)
            if isinstance(inner, ast.Import | ast.ImportFrom)
        }
        assert {found.line for found in source.imports} == {node.lineno for node in statements} - free


def test_every_wing_has_its_place_and_no_module_is_loose() -> None:
    parts = {source.part for source in SOURCES.values()}
    assert parts - RANK.keys() == set(), "give it a place in ORDER"
    assert RANK.keys() - parts == set(), "it is gone: take it out of ORDER"
    loose = [path.name for path in PACKAGE.glob("*.py")]
    assert loose == ["__init__.py"], "every module stands in a wing"


def wrong_ways(sources: Mapping[str, Source]) -> list[str]:
    """Imports that do not point to the left. Doors are free inside functions."""
    found = []
    for source in sources.values():
        for item in source.imports:
            here = rank(source.module)
            if item.module.split(".")[0] != NAME or (here >= DOORS and not item.at_import):
                continue
            if rank(item.module) > here:
                found.append(f"{source.says(item.line)} imports {item.module}")
    return found


def heavy(sources: Mapping[str, Source], names: set[str]) -> list[str]:
    return [
        f"{source.says(item.line)} imports {item.module}"
        for source in sources.values()
        if left_of_the_torch_line(source)
        for item in source.imports
        if item.at_import and item.module.split(".")[0] in names
    ]


def test_imports_point_one_way() -> None:
    assert wrong_ways(SOURCES) == []


def test_nothing_heavy_left_of_the_torch_line() -> None:
    assert heavy(SOURCES, SLOW) == []


@pytest.mark.parametrize(
    ("part", "text", "count"),
    [
        ("brands.brand", "from lora_marketing.recipe import load_recipe", 1),
        ("brands.brand", "import lora_marketing.recipe.load", 1),
        ("brands.brand", "def f():\n    from lora_marketing.recipe import Recipe", 1),
        ("brands.brand", "class A:\n    from lora_marketing import data", 1),
        ("brands.brand", "try:\n    import torch.nn\nexcept ImportError:\n    pass", 1),
        ("brands.brand", "if True:\n    from transformers import x", 1),
        (
            "brands.brand",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\nelse:\n    import peft",
            1,
        ),
        ("brands.brand", "def f():\n    import torch", 0),
        ("brands.brand", "from lora_marketing.common import errors\nimport lora_marketing.text.spelling", 0),
        ("brands.brand", "from .. import data", 1),
        ("brands.brand", "from ..recipe import load", 1),
        ("runs.run", "from lora_marketing import cli\ndef f():\n    from lora_marketing.cli import app", 1),
        ("engine.engine", "import torch", 0),
        ("planning.plan", "from lora_marketing.tokens import render, prefix_tree", 0),
        ("planning.plan", "from lora_marketing.engine import base", 1),
        ("tokens.render", "from lora_marketing.engine.base import LoadedBase", 1),
        ("tokens.prefix_tree", "import torch", 1),
    ],
)
def test_a_wrong_import_would_be_seen(tmp_path: Path, part: str, text: str, count: int) -> None:
    for source in SOURCES.values():
        path = tmp_path / source.path.relative_to(ROOT)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if source.module == f"{NAME}.{part}" else "", encoding="utf-8")
    sources = read(tmp_path / NAME)
    assert sources.keys() == SOURCES.keys()
    assert len(wrong_ways(sources) + heavy(sources, SLOW)) == count


def test_there_are_no_circles() -> None:
    graph = {
        source.module: {item.module for item in source.imports if item.at_import and item.module in SOURCES}
        for source in SOURCES.values()
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(SOURCES)


def test_only_training_knows_trl() -> None:
    users = {
        source.part
        for source in SOURCES.values()
        for item in source.imports
        if item.module.split(".")[0] == "trl"
    }
    assert users == {"training"}


def test_importing_everything_left_of_the_torch_line_loads_nothing_heavy() -> None:
    modules = sorted(source.module for source in SOURCES.values() if left_of_the_torch_line(source))
    assert len(modules) > 30
    script = f"import sys, importlib; [importlib.import_module(m) for m in {modules}]; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(run.stdout.split())
    assert set(modules) <= loaded
    assert SLOW & loaded == set()


def calls(name: str) -> list[str]:
    return [
        source.says(node.lineno)
        for source in SOURCES.values()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


@pytest.mark.parametrize("name", ["print", "exec", "eval", "breakpoint", "input"])
def test_calls_that_nobody_makes(name: str) -> None:
    assert calls(name) == []


def test_exceptions_are_caught_by_name() -> None:
    caught = [
        (source.says(node.lineno), "" if node.type is None else ast.unparse(node.type))
        for source in SOURCES.values()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler)
    ]
    assert len(caught) > 10
    broad = ("Exception", "BaseException", "")
    assert [
        place for place, what in caught if any(name in broad for name in what.strip("()").split(", "))
    ] == []


def test_functions_and_files_stay_small() -> None:
    functions = {
        f"{source.says(node.lineno)} {node.name}": node.end_lineno - node.lineno + 1
        for source in SOURCES.values()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    files = {
        source.path.relative_to(PACKAGE).as_posix(): len(source.path.read_text(encoding="utf-8").splitlines())
        for source in SOURCES.values()
    }
    assert {name: size for name, size in functions.items() if size > MOST_LINES_OF_A_FUNCTION} == {}
    assert {name for name, size in files.items() if size > MOST_LINES} == LONG_FILES


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Names of a function's parameters, but for `self`, `cls` and those behind stars."""
    given = function.args
    names = [part.arg for part in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def test_no_function_takes_more_than_seven_parameters() -> None:
    """What needs more takes an object of options; an exemption that is not needed any more goes, too."""
    found = {
        f"{source.module.removeprefix(f'{NAME}.')}.{node.name}": len(parameters(node))
        for source in SOURCES.values()
        if source.part != "cli"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(found) > 1000
    assert {name for name, count in found.items() if count > MOST_PARAMETERS} == set(MANY_PARAMETERS)


def named(source: Source) -> Iterator[str]:
    """Its classes and the types it gives a name to, but for type variables; `_` in front does not count."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            yield node.name.lstrip("_")
    for node in source.tree.body:
        if isinstance(node, ast.Assign) and not ast.unparse(node.value).startswith("TypeVar("):
            names = [target.id.lstrip("_") for target in node.targets if isinstance(target, ast.Name)]
            yield from (name for name in names if name[:1].isupper() and not name.isupper())


def test_one_word_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for source in SOURCES.values():
        for name in named(source):
            places.setdefault(name, []).append(source.module)
    assert len(places) > 200
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_errors_are_one_family_in_one_file() -> None:
    """Every error for users is defined, and drawn in the docstring, in common/errors.py."""
    home = SOURCES[f"{NAME}.common.errors"]
    family = [
        node for node in ast.walk(home.tree) if isinstance(node, ast.ClassDef) and node.name != "Problem"
    ]
    names = {node.name for node in family}
    strays = [
        source.says(node.lineno)
        for source in SOURCES.values()
        if source is not home
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef) and {ast.unparse(base) for base in node.bases} & names
    ]
    assert strays == []
    drawn = ast.get_docstring(home.tree) or ""
    assert [name for name in sorted(names) if f" {name} " not in f" {drawn} ".replace("\n", " ")] == []


API_FILES = {
    library: SOURCES[f"{NAME}.engine.{library}_api"]
    for library in ("transformers", "peft", "trl", "accelerate", "bitsandbytes")
}
NOT_PRIVATE = {"_replace"}  # the documented method of named tuples


def listed(source: Source, name: str) -> frozenset[str]:
    """The words of a constant such as `DOCUMENTED: ... = frozenset({...})`, read without an import."""
    for node in source.tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name:
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert isinstance(node.value, ast.Call)
            return frozenset(*(ast.literal_eval(given) for given in node.value.args))
    raise AssertionError(f"{source.module} has no {name}")


def defined_in(tree: ast.Module) -> set[str]:
    """Names that a file gives itself: functions, classes, constants, fields, and attributes of `self`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names |= {node.attr} if ast.unparse(node.value) == "self" else set()
    return names


def private_uses(source: Source, sources: Mapping[str, Source]) -> list[str]:
    """Where a file takes a part of the five libraries that their documentation does not give."""
    documented = {library: listed(api, "DOCUMENTED") for library, api in API_FILES.items()}
    undocumented = frozenset[str]().union(*(listed(api, "PRIVATE_NAMES") for api in API_FILES.values()))
    ours = {item.module for item in source.imports} & sources.keys()
    own = defined_in(source.tree).union(*(defined_in(sources[module].tree) for module in ours))
    found = []
    for node in ast.walk(source.tree):
        taken: list[str] = []
        if isinstance(node, ast.Import):
            taken = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            taken = [f"{node.module}.{alias.name}" for alias in node.names]
        for module in taken:
            library, name = module.split(".")[0], module.rpartition(".")[2]
            places = {module} if isinstance(node, ast.Import) else {module, str(node.module)}
            if library in documented and (name.startswith("_") or not places & documented[library]):
                found.append(f"{source.says(node.lineno)} imports {module}")
        if isinstance(node, ast.Attribute):
            hidden = node.attr.startswith("_") and not node.attr.endswith("__")
            if node.attr in undocumented or (hidden and node.attr not in own | NOT_PRIVATE):
                found.append(f"{source.says(node.lineno)} uses {ast.unparse(node)}")
        if isinstance(node, ast.Constant) and node.value in undocumented:
            found.append(f"{source.says(node.lineno)} names {node.value}")
    return found


def test_private_parts_of_libraries_are_used_in_one_file_per_library() -> None:
    api_files = {source.module for source in API_FILES.values()}
    others = [source for source in SOURCES.values() if source.module not in api_files]
    assert [use for source in others for use in private_uses(source, SOURCES)] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("from transformers.cache_utils import DynamicLayer", 1),
        ("import peft.tuners.lora", 1),
        ("def f():\n    from trl.trainer import sft_trainer", 1),
        ("if TYPE_CHECKING:\n    from accelerate.state import PartialState", 1),
        ("from transformers import _LazyModule", 1),
        ("trainer._save_optimizer_and_scheduler(folder)", 1),
        ("x = layer.quant_state", 1),
        ("x = getattr(layer, 'lora_A')", 1),
        ("import transformers\nfrom transformers.utils import logging", 0),
        ("trainer._mine = 1\nprint(trainer._mine)", 2),
        ("from transformers import Trainer\nfrom peft.optimizers import create_loraplus_optimizer", 0),
        (
            "class A:\n    def __init__(self):\n        self._mine = 1\n    def f(self):\n        self._mine",
            0,
        ),
        ("class A(Trainer):\n    def _save_checkpoint(self):\n        super()._save_checkpoint()", 0),
    ],
)
def test_a_private_use_would_be_seen(text: str, count: int) -> None:
    tree = ast.parse(text)
    imports = tuple(imports_of(tree, frozenset(SOURCES), f"{NAME}.training", True))
    found = private_uses(Source(PACKAGE, f"{NAME}.training.new", tree, imports), SOURCES)
    assert len(found) == count, found
