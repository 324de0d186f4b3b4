#!/usr/bin/env python
"""Change the kit one small step at a time and tell which changes no test notices.

    .venv/bin/python scripts/mutate.py guards copy --most 300 --seed 1

For each wing it draws `--most` of all possible changes (a comparison turned, `and` for `or`, a `not` dropped,
a number one higher, a name in quotes altered, None returned, a statement left out), runs the tests of the
changed module, then all of its wing, and prints every change that they let pass. Nothing is written: each
change lives in a process of its own. Mutation testers on the market leave tables at module level alone, which
is where units, limits and rules stand here.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lora_marketing"
TURNED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
SECONDS = 120
"""A change that makes the tests hang is noticed."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the node that it changes, by its number in a walk, and which way."""

    path: Path
    node: int
    way: int
    line: int

    def tree(self) -> ast.Module:
        """The changed file."""
        tree = ast.parse(self.path.read_text(encoding="utf-8"))
        node = list(_walk(tree))[self.node]
        _ways(node)[self.way](node)
        return ast.fix_missing_locations(tree)

    def told(self) -> str:
        """Where it is, and what it changes."""
        before = ast.unparse(ast.parse(self.path.read_text(encoding="utf-8"))).splitlines()
        after = ast.unparse(self.tree()).splitlines()
        changed = list(difflib.unified_diff(before, after, n=0, lineterm=""))[3:]
        return "\n    ".join([f"{self.path.relative_to(ROOT)}:{self.line}", *changed])


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that decides something: no docstrings, annotations, decorators, imports or messages."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            left_out = docstring or isinstance(child, ast.Import | ast.ImportFrom | ast.JoinedStr)
            if (
                isinstance(child, ast.AST)
                and not left_out
                and name not in ("annotation", "returns", "decorator_list")
            ):
                yield child
                yield from _walk(child)


def _ways(node: ast.AST) -> list[Callable[[ast.AST], None]]:
    """All ways to change a node."""
    match node:
        case ast.Compare():
            return [_op(at) for at, op in enumerate(node.ops) if type(op) in TURNED]
        case ast.BoolOp() | ast.BinOp() | ast.AugAssign():
            return [_turn] if type(node.op) in TURNED else []
        case ast.UnaryOp(op=ast.Not()):
            return [_keep_as_it_is]
        case ast.If() | ast.IfExp() | ast.While():
            return [] if isinstance(node.test, ast.Compare | ast.UnaryOp) else [_negate]
        case ast.Constant():
            return _constant(node.value)
        case ast.Return():
            return [_nothing] if node.value and not _is_none(node.value) else []
        case ast.Expr():
            return [_leave_out]
        case ast.Continue():
            return [_break]
    return []


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _constant(value: object) -> list[Callable[[ast.AST], None]]:
    if isinstance(value, bool):
        return [_set("value", not value)]
    if isinstance(value, int | float):
        return [_set("value", value + 1)]
    if isinstance(value, str) and value.replace(".", "", 1).isdecimal():
        return [_set("value", f"{value}0" if "." not in value else f"1{value}")]
    if isinstance(value, str) and value and value.replace("_", "").replace(".", "").isalnum():
        return [_set("value", f"{value}x")]
    return []


def _op(at: int) -> Callable[[ast.AST], None]:
    def change(node: ast.AST) -> None:
        assert isinstance(node, ast.Compare)
        node.ops[at] = TURNED[type(node.ops[at])]()  # type: ignore[call-overload]

    return change


def _set(name: str, value: object) -> Callable[[ast.AST], None]:
    return lambda node: setattr(node, name, value)


def _turn(node: ast.AST) -> None:
    assert isinstance(node, ast.BoolOp | ast.BinOp | ast.AugAssign)
    node.op = TURNED[type(node.op)]()  # type: ignore[assignment]


def _keep_as_it_is(node: ast.AST) -> None:
    """`not x` becomes `not not x`."""
    assert isinstance(node, ast.UnaryOp)
    node.operand = ast.UnaryOp(ast.Not(), node.operand)


def _negate(node: ast.AST) -> None:
    assert isinstance(node, ast.If | ast.IfExp | ast.While)
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _nothing(node: ast.AST) -> None:
    assert isinstance(node, ast.Return)
    node.value = ast.Constant(None)


def _leave_out(node: ast.AST) -> None:
    """A generator stays one: `yield x` becomes `None if True else (yield)`."""
    assert isinstance(node, ast.Expr)
    yields = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))
    nothing = ast.IfExp(ast.Constant(True), ast.Constant(None), ast.Yield()) if yields else ast.Constant(None)
    node.value = nothing


def _break(node: ast.AST) -> None:
    """`continue` becomes `break`."""
    node.__class__ = ast.Break


def mutants(path: Path) -> list[Mutant]:
    """Every possible change of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        Mutant(path, number, way, getattr(node, "lineno", 0))
        for number, node in enumerate(_walk(tree))
        for way in range(len(_ways(node)))
    ]


class _ChangedFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module as a mutant has it."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        steps = mutant.path.relative_to(ROOT).with_suffix("").parts
        self.package = steps[-1] == "__init__"
        self.name = ".".join(steps[:-1] if self.package else steps)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        places = [str(self.mutant.path.parent)] if self.package else None
        return importlib.util.spec_from_file_location(
            fullname, self.mutant.path, loader=self, submodule_search_locations=places
        )

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.mutant.tree(), str(self.mutant.path), "exec"), module.__dict__)  # noqa: S102


def tests_of(path: Path, more: Sequence[str]) -> list[list[str]]:
    """What is asked about a file, in this order: its own tests, then those of its wing, then `more`."""
    wing = path.relative_to(PACKAGE).parts[0]
    own = sorted((ROOT / "tests" / wing).glob(f"test_{path.stem.strip('_')}*.py"))
    return [[str(test) for test in own]] * bool(own) + [[str(ROOT / "tests" / wing), *more]]


def passes(tests: Sequence[str], mutant: Mutant | None = None, learn: int | None = None) -> bool:
    """Whether tests pass in a process of their own, with a change or without."""
    child = os.fork()
    if not child:
        _in_child(tests, mutant, learn)
    _, status = os.waitpid(child, 0)
    return status == 0


def _in_child(tests: Sequence[str], mutant: Mutant | None, learn: int | None) -> None:
    import pytest

    signal.alarm(SECONDS)
    for output in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    if mutant:
        sys.meta_path.insert(0, _ChangedFinder(mutant))
    code = pytest.main(
        [*tests, "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0"]
    )
    if learn is not None:
        foreign = [
            name for name in sys.modules if name.split(".")[0] not in ("lora_marketing", "tests", "__main__")
        ]
        os.write(learn, "\n".join(foreign).encode())
    os._exit(int(code))


def warm(tests: Sequence[str]) -> None:
    """Import what the tests import of other packages, so that no child has to; exits if they do not pass."""
    with tempfile.TemporaryFile() as learned:
        if not passes(tests, learn=learned.fileno()):
            sys.exit(f"these tests do not pass as they are: {' '.join(tests)}")
        learned.seek(0)
        names = learned.read().decode().split("\n")
    for name in names:
        try:
            importlib.import_module(name)
        except (ImportError, AttributeError, ValueError):  # made at run time: six.moves and the like
            continue


def tell(line: str) -> None:
    """Print at once: a run takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Draw changes, ask the tests, tell what they let pass."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("wings", nargs="+", help="wings, or files of the package: guards, text/quantities.py")
    parser.add_argument("--most", type=int, default=300, help="changes to draw of each wing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tests", nargs="*", default=[], help="more tests to ask before a change is told")
    told = parser.parse_args()
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = tempfile.mkdtemp()
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    left = asked = 0
    for wing in told.wings:
        place = PACKAGE / wing
        files = [place] if place.is_file() else sorted(place.rglob("*.py"))
        possible = [mutant for path in files for mutant in mutants(path)]
        drawn = random.Random(told.seed).sample(possible, min(told.most, len(possible)))
        warm([str(ROOT / "tests" / Path(wing).parts[0]), *told.tests])
        survivors = 0
        for mutant in sorted(drawn, key=lambda one: (one.path, one.line)):
            if all(passes(tests, mutant) for tests in tests_of(mutant.path, told.tests)):
                survivors += 1
                tell(mutant.told())
        tell(f"{wing}: {survivors} of {len(drawn)} changes pass ({len(possible)} possible)")
        left, asked = left + survivors, asked + len(drawn)
    tell(f"{left} of {asked} changes pass all tests")


if __name__ == "__main__":
    main()
