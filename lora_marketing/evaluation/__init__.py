"""Saved figures over copy: compared, reported; no model."""

from lora_marketing.evaluation.comparing import compare, compare_evaluations, compare_writers, incomparable
from lora_marketing.evaluation.document import Evaluation, read_evaluation, write_evaluation
from lora_marketing.evaluation.scoring import ScoringOptions, evaluate
from lora_marketing.evaluation.voices import VoiceReport, VoiceRow, fit_voices, score_voices

__all__ = [
    "Evaluation",
    "ScoringOptions",
    "VoiceReport",
    "VoiceRow",
    "compare",
    "compare_evaluations",
    "compare_writers",
    "evaluate",
    "fit_voices",
    "incomparable",
    "read_evaluation",
    "score_voices",
    "write_evaluation",
]
