"""Unfinished runs of a brand: what `--resume` could go on with, and how it differs from the one asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lora_marketing.common.files import shown, write_atomic

DECIDES = "decides.json"
"""Name of the file in a run folder with everything that decides its result, and so its name."""
MOST_TOLD = 6
LONGEST = 60


def note_what_decides(run: Path, decides: Mapping[str, Any]) -> None:
    """Keep in the folder of a run what decides its result.

    Raises:
        OSError: it cannot be written.
    """
    write_atomic(run / DECIDES, json.dumps(decides, sort_keys=True, ensure_ascii=False))


def nothing_to_resume(run: Path, name: str, decides: Mapping[str, Any]) -> str:
    """Say that `run` has no checkpoint, and which unfinished run of `name` is nearest, and how it differs.

    Args:
        run: the folder of the run that was asked for.
        name: `brand/line`.
        decides: what decides its result.
    """
    begins = f"{name}: there is no checkpoint of this run to go on from, so it begins at step 1"
    wanted = dict(_flat(decides))
    others = [
        (sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)), folder)
        for folder, found in _others(run, name)
    ]
    if not others:
        return f"{begins}; {name} has no other unfinished run in {shown(run.parent)}"
    differing, nearest = min(others, key=lambda other: (len(other[0]), other[1].name))
    found = dict(_flat(_decides(nearest)))
    if not found:
        return f"{begins}; another unfinished run is {shown(nearest)}, which does not say how it differs"
    told = [f"{key} {_short(found.get(key))} there, {_short(wanted.get(key))} here" for key in differing]
    more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    steps = _steps(nearest)
    return (
        f"{begins}; the nearest unfinished run is {shown(nearest)} (step {steps[-1]}), which differs in"
        f" {'; '.join(told[:MOST_TOLD])}{more}"
    )


def _others(run: Path, name: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    head = f"{name.replace('/', '-')}-"
    for folder in sorted(run.parent.glob(f"{head}*")):
        digest = folder.name.removeprefix(head)
        if folder != run and len(digest) == 12 and digest.isalnum() and _steps(folder):
            yield folder, dict(_flat(_decides(folder)))


def _steps(folder: Path) -> list[int]:
    names = (path.name.removeprefix("step-") for path in (folder / "checkpoints").glob("step-*"))
    return sorted(int(name) for name in names if name.isdecimal())


def _decides(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / DECIDES).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # an older version of the kit began it, or it is torn
        return {}
    return found if isinstance(found, dict) else {}


def _flat(values: Mapping[str, Any], head: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        key = name if head in ("", "recipe") else f"{head}.{name}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, key)
        else:
            yield key, value


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
