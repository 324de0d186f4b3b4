"""A version is judged: it writes held-out briefs, and is measured.

Its own words, its loss, and whether the base with it can still answer everyday questions.
`judge` is the door.
"""

from __future__ import annotations

from lora_marketing.model_eval.bench import TrialOptions, judge

__all__ = ["TrialOptions", "judge"]
