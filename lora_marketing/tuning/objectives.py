"""The figures of a trained adapter that a study can optimise. Computing them needs no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lora_marketing.common.errors import Problem, RecipeError, nearest

if TYPE_CHECKING:
    from lora_marketing.copy.record import Copy
    from lora_marketing.metrics.voice import VoiceClassifier


@dataclass(frozen=True)
class Evidence:
    """The results of a trial: training's metrics, and one copy for each validation brief.

    `references` are the texts that people wrote for the same briefs, in the same order. `voices` is None if
    the study has no other brands.
    """

    metrics: Mapping[str, float]
    copies: Sequence[Copy]
    references: Sequence[str]
    voices: VoiceClassifier | None = None


@dataclass(frozen=True)
class Objective:
    """A figure to optimise: its summary, its direction, and its function (None if the evidence lacks it)."""

    summary: str
    direction: Literal["minimize", "maximize"]
    measure: Callable[[Evidence], float | None]
    is_share: bool = False

    @property
    def sign(self) -> int:
        """1 if less is better, else -1, so that `sign * figure` is always minimised."""
        return 1 if self.direction == "minimize" else -1


def _held_out_loss(evidence: Evidence) -> float | None:
    return evidence.metrics["held_out_loss"]


def _stop_rate(evidence: Evidence) -> float | None:
    from lora_marketing.copy.record import share_stopped

    return share_stopped(evidence.copies)


def _voice(evidence: Evidence) -> float | None:
    if evidence.voices is None or not evidence.copies:
        return None
    return evidence.voices.score([copy.text for copy in evidence.copies], evidence.copies[0].brand).share


def _chrf(evidence: Evidence) -> float | None:
    from lora_marketing.metrics.chrf import chrf

    if not evidence.copies:
        return None
    return chrf([copy.text for copy in evidence.copies], evidence.references)


OBJECTIVES = {
    "held_out_loss": Objective("loss per completion token on held-out rows", "minimize", _held_out_loss),
    "stop_rate": Objective("share of copies that end by themselves", "maximize", _stop_rate, True),
    "voice": Objective("share of copies that sound like the brand", "maximize", _voice, True),
    "chrf": Objective("chrF of copies against the person's texts, 0 to 100", "maximize", _chrf),
}


def measure(evidence: Evidence) -> dict[str, float]:
    """Compute all figures that the evidence allows, by name."""
    figures = ((name, objective.measure(evidence)) for name, objective in OBJECTIVES.items())
    return {name: value for name, value in figures if value is not None}


def require_objective(name: str, *, briefs: int, against: int) -> Objective:
    """The objective of this name, if it can be computed.

    Args:
        name: a key of `OBJECTIVES`.
        briefs: number of validation briefs that each trial writes (`eval.briefs`).
        against: number of other brands (`--against`).

    Raises:
        RecipeError: the name is unknown, or briefs or other brands are missing.
    """
    if name not in OBJECTIVES:
        raise RecipeError(Problem(f'unknown objective "{name}"', allowed=nearest(name, OBJECTIVES)))
    if name != "held_out_loss" and not briefs:
        fix = "set eval.briefs to 8 or more"
        raise RecipeError(Problem(f"{name} is taken from written copy", got="eval.briefs: 0", fix=fix))
    if name == "voice" and not against:
        fix = "name the recipe of at least one other brand with --against"
        raise RecipeError(Problem("a voice is told apart from other brands' voices", fix=fix))
    return OBJECTIVES[name]
