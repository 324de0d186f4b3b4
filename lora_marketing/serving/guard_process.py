"""A process that checks texts, so that one which takes too long ends this process and not the server.

`serving/guard_pool.py` runs it as `python -m lora_marketing.serving.guard_process`. It reads lines of JSON
from standard input, first where the registry lies, then what to check, and answers each with a line.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections import OrderedDict
from pathlib import Path
from typing import IO

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.common.documents import Frozen
from lora_marketing.common.errors import RegistryError
from lora_marketing.common.faults import KeptFault
from lora_marketing.copy.checking import Draft, checked
from lora_marketing.copy.mending import Mending, mend
from lora_marketing.copy.record import Copy
from lora_marketing.guards import Case, Finding, Verdict, findings, guard_names, verdict
from lora_marketing.guards.cross_brand import gives_away
from lora_marketing.registry.names import AdapterName, AdapterRef
from lora_marketing.registry.provenance import recipe_of
from lora_marketing.registry.store import Registry
from lora_marketing.registry.version import Version
from lora_marketing.serving.other_brands import OtherBrands
from lora_marketing.serving.worker_process import answer_lines, limit_memory

KEPT_BRANDS = 64
OF_AN_AD = frozenset({"facts", "length", "required", "residue", "structure", "unfinished"})
"""Guards that hold a text against its brief and channel, or against what is printed as it is: an answer to a
chat may speak to whoever asked, and be JSON."""
WARMING = "Warm bread, and a bar of soap that floats."


class CheckJob(Frozen):
    """What to check for an adapter's version: a draft, a text of the client's, an answer that no brief asked
    for, or only whether it can be.

    `brief` is the request's: what it names is no secret of another client's. `shown` says that the client
    sees the answer already, and is not to learn from what is found which of its words are others' names.
    """

    adapter: str
    digest: str
    brief: Brief
    draft: Draft | None = None
    text: str | None = None
    answer: str | None = None
    shown: bool = False


class CheckResult(Frozen):
    """What was found. `written` is the draft checked, `withheld` whether it, or the answer, names another
    client's brand.

    `refused` says why the version cannot be used, `fault` what a guard raised and where: not its message,
    which may quote the text.
    """

    refused: str | None = None
    fault: str | None = None
    written: Copy | None = None
    withheld: bool = False
    text: str = ""
    mended: list[Mending] = []
    findings: list[Finding] = []
    verdict: Verdict = "pass"


def main() -> None:
    """Answer until standard input ends."""
    os.nice(10)
    serve(sys.stdin, sys.stdout)


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Read `{registry, seconds, memory_bytes}`, then a `CheckJob` a line; answer each by a `CheckResult`."""
    setup = json.loads(requests.readline())
    checks = Checks(Registry(Path(setup["registry"])))
    checks.warm_up()
    limit_memory(setup["memory_bytes"])
    answer_lines(
        requests,
        answers,
        setup["seconds"],
        lambda line: checks.result(CheckJob.model_validate_json(line)).model_dump_json(),
    )


class Checks:
    """Checks texts for the versions of a registry, as their brands' policies have it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._others = OtherBrands(registry)
        self._versions: OrderedDict[str, tuple[Version, Brand]] = OrderedDict()

    def warm_up(self) -> None:
        """Read what guards read at their first use: lists, and language models."""
        voice = {"schema": 1, "name": "x", "display_name": "X", "guide": "g", "lines": {"x": "X."}}
        brief = Brief(product="Bar", channel="sms", field="text")
        for locale in ("en-GB", "zh-CN"):
            findings(WARMING, Case(brief, Brand.model_validate({**voice, "locale": locale})))

    def result(self, job: CheckJob) -> CheckResult:
        """What is found of a job."""
        with KeptFault() as kept:
            return self._found(job)
        fault = kept.error
        if isinstance(fault, RegistryError):
            return CheckResult(refused=str(fault.problems[0]))
        return CheckResult(fault=f"{type(fault).__name__}, {_place(fault)}")

    def _found(self, job: CheckJob) -> CheckResult:
        case = self._case(job)
        if job.draft is not None:
            copy = checked(job.draft, case)
            return CheckResult(written=copy, withheld=_names_another(copy, case))
        if job.text is not None:
            # whoever wrote the text is not to learn from it who the other clients are
            return _of_text(job.text, Case(job.brief, case.brand, known=case.known))
        if job.answer is not None:
            others = () if job.shown else case.others
            return _of_answer(job.answer, Case(job.brief, case.brand, known=case.known, others=others))
        return CheckResult()

    def _case(self, job: CheckJob) -> Case:
        if job.digest not in self._versions:
            name = AdapterName(*job.adapter.split("/"))
            version = self._registry.resolve(AdapterRef(name, digest=job.digest))
            self._versions[job.digest] = version, recipe_of(version.manifest)[1]
        self._versions.move_to_end(job.digest)
        while len(self._versions) > KEPT_BRANDS:
            self._versions.popitem(last=False)
        version, brand = self._versions[job.digest]
        others = self._others.others(brand, job.brief)
        return Case(job.brief, brand, known=self._others.known(version), others=others)


def _place(fault: Exception | None) -> str:
    """Where a fault was raised."""
    frames = traceback.extract_tb(fault.__traceback__) if fault else []
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"


def _names_another(copy: Copy, case: Case) -> bool:
    """Whether the copy, or what was mended in it, says the name of another brand.

    A brand whose policy turns `cross_brand` off is taken at its word.
    """
    brief = copy.brief.model_copy(update={"field": ""})  # what was mended in an ad is no ad
    own = Case(brief, case.brand, others=case.others)
    mended = (found for one in copy.mended for found in findings(one.before, own, ["cross_brand"]))
    return gives_away((*copy.findings, *mended))


def _of_answer(text: str, case: Case) -> CheckResult:
    found = findings(text, case, [name for name in guard_names() if name not in OF_AN_AD])
    return CheckResult(findings=found, verdict=verdict(found), withheld=gives_away(found))


def _of_text(text: str, case: Case) -> CheckResult:
    mended = mend(text, case.brand)
    found = findings(text, case)
    return CheckResult(text=mended.text, mended=list(mended.mendings), findings=found, verdict=verdict(found))


if __name__ == "__main__":
    main()
