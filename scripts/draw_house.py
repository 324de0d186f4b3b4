#!/usr/bin/env python3
"""Draw which wing of the package imports which, as docs/images/house.svg.

A row imports the columns; everything lies left of the diagonal, because imports point one way. Usage:
`python scripts/draw_house.py`; a test draws again and compares, so the picture is never of yesterday.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lora_marketing"
PICTURE = ROOT / "docs" / "images" / "house.svg"
CELL, LEFT, TOP = 22, 500, 96


def wings() -> tuple[str, ...]:
    """The wings in the order in which they may import each other, as tests/test_architecture.py has it."""
    tree = ast.parse((ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER":
            return tuple(name for name in ast.literal_eval(node.value) if name != "__init__")
    raise SystemExit("tests/test_architecture.py has no ORDER")


def arrows(order: tuple[str, ...]) -> Counter[tuple[str, str]]:
    """How many import statements of the first wing name the second."""
    found: Counter[tuple[str, str]] = Counter()
    for wing in order:
        for path in sorted((PACKAGE / wing).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lora_marketing."):
                    other = str(node.module).split(".")[1]
                    if other != wing:
                        found[wing, other] += 1
    return found


def summary(wing: str) -> str:
    """The first line of the wing's docstring."""
    doc = ast.get_docstring(ast.parse((PACKAGE / wing / "__init__.py").read_text(encoding="utf-8"))) or ""
    return doc.split("\n")[0].rstrip(".")


def drawing() -> str:
    """The picture as SVG: rows and columns are wings, darker cells are more imports."""
    order = wings()
    found, torch_line = arrows(order), order.index("engine")
    back = sum(order.index(other) > order.index(wing) for wing, other in found)
    size = CELL * len(order)
    width, height = LEFT + size + 20, TOP + size + 48
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for row, wing in enumerate(order):
        y, x = TOP + row * CELL, LEFT + row * CELL
        weight = ' font-weight="bold"'
        out += [
            f'<rect x="{LEFT}" y="{y}" width="{row * CELL}" height="{CELL}" fill="#f6f7f9"/>',
            f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="#1f2933"/>',
            f'<text x="20" y="{y + 15}" fill="#1f2933"{weight}>{wing}</text>',
            f'<text x="110" y="{y + 15}" fill="#52606d" font-size="11">{escape(summary(wing))}</text>',
            f'<text x="{x + 15}" y="{TOP - 6}" fill="#1f2933" font-size="11"'
            f' transform="rotate(-60 {x + 15} {TOP - 6})">{wing}</text>',
        ]
    for (wing, other), count in sorted(found.items()):
        y, x = TOP + order.index(wing) * CELL, LEFT + order.index(other) * CELL
        shade = min(0.25 + count / 16, 1)
        out += [
            f'<rect x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}" rx="3" fill="#c2410c"'
            f' fill-opacity="{shade:.2f}"><title>{wing} imports {other}: {count}</title></rect>',
        ]
    y, x = TOP + torch_line * CELL, LEFT + torch_line * CELL
    out += [
        f'<path d="M20 {y} H{LEFT + size} M{x} {TOP} V{TOP + size}" stroke="#4f5bd5" stroke-width="1.5"'
        ' stroke-dasharray="5 4" fill="none"/>',
        f'<text x="{LEFT + size}" y="{y - 5}" fill="#4f5bd5" font-size="11"'
        ' text-anchor="end">torch below</text>',
        f'<text x="20" y="{TOP + size + 28}" fill="#52606d" font-size="11">{len(order)} wings, {len(found)}'
        f" arrows, {back or 'none'} back up. A row imports the columns filled in it; darker is more.</text>",
        "</svg>\n",
    ]
    return "\n".join(out)


if __name__ == "__main__":
    PICTURE.write_text(drawing(), encoding="utf-8")
    sys.stderr.write(f"drew {PICTURE.relative_to(ROOT)}\n")
