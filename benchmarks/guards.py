"""Recall and false alarms of every guard on labelled texts, and what guards cost.

    python benchmarks/guards.py --data ../shared/data --out docs/benchmarks/guards.json

A text counts as found if its guard has any finding. Sets of claims also state what plain search for
the 157 terms of the same list would find.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from lora_marketing.guards import Verdict, findings, guard_names, verdict

if TYPE_CHECKING:
    from benchmarks.labelled import LabelledSet, Row

ROOT = Path(__file__).resolve().parent.parent
SETS = ("benchmarks.guard_sets_form", "benchmarks.guard_sets_mechanical", "benchmarks.guard_sets_meaning")
Z = 1.959964
"""Of a two-sided interval of 95 %."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/guards.json")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))  # the sets are modules beside this script
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with (options.data / "safety/adlaw_zh_terms.csv").open(encoding="utf-8") as file:
        terms = [row["term"] for row in csv.DictReader(file)]
    measured = [_measured(one, terms) for one in _all_sets(options.data)]
    report = {
        "python": platform.python_version(),
        "processor": platform.machine(),
        "sets": measured,
        "real_texts": _real(options.data),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _print(report)


def _all_sets(data: Path) -> list[LabelledSet]:
    return [one for name in SETS for one in import_module(name).sets(data)]


def _measured(labelled: LabelledSet, terms: Sequence[str]) -> dict[str, Any]:
    def found(row: Row) -> bool:
        return bool(findings(row.text, row.case, [labelled.guard]))

    result = {"guard": labelled.guard, "source": labelled.source, "language": labelled.language}
    result |= _rates(labelled.rows, found)
    if labelled.guard == "claims":
        result["plain_search"] = _rates(labelled.rows, lambda row: any(term in row.text for term in terms))
    return result


def _rates(rows: Sequence[Row], found: Callable[[Row], bool]) -> dict[str, Any]:
    wrong = [found(row) for row in rows if row.wrong]
    harmless = [found(row) for row in rows if not row.wrong]
    return {
        "wrong": len(wrong),
        "harmless": len(harmless),
        "recall": _share(wrong),
        "false_alarms": _share(harmless),
    }


def _share(found: Sequence[bool]) -> dict[str, Any] | None:
    """A share with Wilson's interval (1927)."""
    n = len(found)
    if not n:
        return None
    share = sum(found) / n
    middle = share + Z**2 / (2 * n)
    spread = Z * (share * (1 - share) / n + Z**2 / (4 * n**2)) ** 0.5
    low, high = ((middle + sign * spread) / (1 + Z**2 / n) for sign in (-1, 1))
    return {"share": round(share, 4), "low": round(max(0.0, low), 4), "high": round(min(1.0, high), 4)}


def _real(data: Path) -> dict[str, Any]:
    """All guards over published texts: verdicts, which rules block, and time on one core."""
    texts = list(import_module(SETS[-1]).real_texts(data))
    for text, case in texts[:50]:
        findings(text, case)
    verdicts: dict[str, list[Verdict]] = {}
    blocking: dict[str, int] = {}
    times = []
    for text, case in texts:
        start = time.perf_counter()
        found = findings(text, case)
        times.append(1000 * (time.perf_counter() - start))
        verdicts.setdefault(case.brand.language, []).append(verdict(found))
        for rule in {one.rule for one in found if one.severity == "block"}:
            blocking[rule] = blocking.get(rule, 0) + 1
    return {
        "guards": list(guard_names()),
        "texts": len(texts),
        "blocked": _share([one == "block" for each in verdicts.values() for one in each]),
        "verdicts": {
            language: {name: each.count(name) for name in sorted(set(each))}
            for language, each in verdicts.items()
        },
        "blocking_rules": dict(sorted(blocking.items())),
        "milliseconds": {"median": round(median(times), 3), "p95": round(quantiles(times, n=20)[-1], 3)},
    }


def _print(report: dict[str, Any]) -> None:
    print(f"{'guard':14} {'source':32} {'':2} {'rows':>9}  {'recall':22} false alarms")
    for one in report["sets"]:
        rows = f"{one['wrong']}+{one['harmless']}"
        head = f"{one['guard']:14} {one['source'][:32]:32} {one['language']:2} {rows:>9}"
        print(f"{head}  {_shown(one['recall']):22} {_shown(one['false_alarms'])}")
        if "plain_search" in one:
            plain = one["plain_search"]
            rates = f"{_shown(plain['recall']):22} {_shown(plain['false_alarms'])}"
            print(f"{'':14} {'plain search':45}  {rates}")
    real = report["real_texts"]
    print(f"{real['texts']} real texts: {_shown(real['blocked'])} blocked {real['blocking_rules']}")
    print(real["verdicts"], f"{real['milliseconds']} ms a text, all guards")


def _shown(share: dict[str, Any] | None) -> str:
    return f"{share['share']:.3f} ({share['low']:.3f}-{share['high']:.3f})" if share else "-"


if __name__ == "__main__":
    main()
