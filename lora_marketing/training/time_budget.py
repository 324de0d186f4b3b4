"""Stop a run at its next checkpoint when its time is up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lora_marketing.common.console import note


@dataclass
class BudgetCallback(TrainerCallback):
    """Ends training after `minutes` (None: no limit), with an evaluation and a checkpoint."""

    minutes: float | None
    _started: float = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        """Ask for evaluation, checkpoint and stop once the time is up."""
        if self.minutes is not None and time.monotonic() - self._started > 60 * self.minutes:
            note(f"budget.minutes ({self.minutes:g}) is spent at step {state.global_step}: stopping")
            control.should_evaluate = control.should_save = control.should_training_stop = True
        return control
