"""A kept evaluation: every text with what was found in it, and every figure. Read again without a model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from lora_marketing.brands.brand import Brief
from lora_marketing.channels.structure import plain
from lora_marketing.common.documents import Frozen, shown, validation_problems
from lora_marketing.common.errors import DataError, Problem
from lora_marketing.common.files import read_outside_text, write_output
from lora_marketing.evaluation.statistics import Difference, Estimate
from lora_marketing.guards import Finding, Verdict


class ScoredText(Frozen):
    """One text, and what was found in it.

    `counts` are what it adds to each figure (see `lora_marketing.metrics`), so that figures of any set
    of texts can be taken again; `sounds_like`, `copied` and `language` as in `metrics.Written`. Older
    documents do not know the language.
    """

    writer: str
    brand: str
    variant: int
    seed: int
    brief: Brief
    text: str
    references: list[str]
    stopped: bool
    verdict: Verdict
    findings: list[Finding]
    sounds_like: str | None
    copied: int | None
    counts: dict[str, list[float]]
    language: str | None = None

    @property
    def key(self) -> str:
        """The same for texts of equal briefs."""
        return self.brief.key

    @property
    def plain(self) -> str:
        """The text as metrics read it."""
        return plain(self.text, self.brief)


class WriterScores(Frozen):
    """The figures of one writer (an adapter, or the bare base) for one brand.

    `rules` counts texts by the rule that objects to them; `extra` holds what only a model can tell,
    such as loss and perplexity; `held_against` a digest of what a figure was held against, of those that
    need more than the texts. Older documents have none.
    """

    writer: str
    brand: str
    texts: int
    briefs: int
    figures: dict[str, Estimate]
    verdicts: dict[Verdict, int]
    rules: dict[str, int]
    extra: dict[str, float] = {}
    held_against: dict[str, str] = {}


class HeldOutVoice(Frozen):
    """How well the voice classifier names real texts that it has not seen: read it beside its score."""

    accuracy: float
    interval: tuple[float, float]
    macro: float
    by_brand: dict[str, float]
    texts: int


class Comparison(Frozen):
    """One figure of `writer` less that of `against`, over the briefs that both have."""

    brand: str
    writer: str
    against: str
    figure: str
    difference: Difference


class Preference(Frozen):
    """What a judge preferred, each pair shown in both orders.

    `won`, `lost` and `tied` count pairs from `writer`'s side. A pair whose orders disagree is a tie;
    `agreement` is the share of them on which both orders say the same. `unreadable` are further pairs,
    of which an answer was none.
    """

    brand: str
    writer: str
    against: str
    judge: str
    won: int
    lost: int
    tied: int
    agreement: float
    unreadable: int = 0


class Evaluation(Frozen):
    """All writers' texts and figures, and with what they were taken."""

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)] = 1
    made: date
    seed: int
    resamples: int
    packages: dict[str, str]
    held_out: HeldOutVoice | None
    writers: list[WriterScores]
    texts: list[ScoredText]
    comparisons: list[Comparison] = []
    preferences: list[Preference] = []
    notes: list[str] = []

    def of(self, writer: str, brand: str) -> list[ScoredText]:
        """The texts of one writer for one brand."""
        return [text for text in self.texts if (text.writer, text.brand) == (writer, brand)]


def as_json(evaluation: Evaluation) -> str:
    """An evaluation as it is kept, and as its hash is taken."""
    return evaluation.model_dump_json(by_alias=True, indent=1) + "\n"


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write it as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    write_output(path, as_json(evaluation))


def read_evaluation(path: Path) -> Evaluation:
    """Read what `write_evaluation` wrote.

    Raises:
        DataError: the file is missing, or is no evaluation of this version.
    """
    try:
        return Evaluation.model_validate_json(read_outside_text(path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(Problem("cannot be read", shown(path), got=str(error))) from error
    except ValidationError as error:
        problems: Sequence[Problem] = list(validation_problems(Evaluation, {}, error, {(): shown(path)}))
        raise DataError([Problem("not an evaluation", shown(path)), *problems[:5]]) from error
