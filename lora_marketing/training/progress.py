"""Live progress of runs on stderr: loss, tokens per second, time left, memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from lora_marketing.common.console import note, rich_stderr
from lora_marketing.training.peak_memory import peak_memory_gib


@dataclass(frozen=True)
class LogPoint:
    """One logged step. `eval_loss` is None where no evaluation was taken."""

    step: int
    loss: float | None
    eval_loss: float | None


class ProgressTable:
    """A live table with a line per run on a terminal; elsewhere runs say a line per evaluation."""

    def __init__(self) -> None:
        console = rich_stderr()
        self._open: set[TaskID] = set()
        self._table: Progress | None = None
        if console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[line]}"))
            self._table = Progress(*columns, console=console)

    def open(self, title: str, state: TrainerState) -> TaskID | None:
        """Begin a run's line; None where there is no terminal."""
        if self._table is None:
            return None
        task = self._table.add_task(
            title, total=state.max_steps, completed=state.global_step, line="starting"
        )
        self._open.add(task)
        self._table.start()
        return task

    def show(self, task: TaskID, step: int, line: str) -> None:
        """Bring a run's line up to date."""
        if self._table is not None:
            self._table.update(task, completed=step, line=line)

    def close(self, task: TaskID) -> None:
        """End a run's line; the table stays on the screen when the last one has ended."""
        self._open.discard(task)
        if self._table is not None and not self._open:
            self._table.stop()


@dataclass
class ProgressCallback(TrainerCallback):
    """Shows one run in a progress table.

    Tokens per second count the rows' own tokens, without padding and before prefixes are merged.
    """

    title: str
    table: ProgressTable = field(default_factory=ProgressTable)
    tokens_per_second: float = 0.0
    _started: float = 0.0
    _first_step: int = 0
    _loss: float = float("nan")
    _eval_loss: float | None = None
    _task: TaskID | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock and the line."""
        self._started, self._first_step = time.monotonic(), state.global_step
        self._task = self.table.open(self.title, state)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Show the losses of this step."""
        logs = logs or {}
        if "loss" in logs:
            self._loss = float(logs["loss"])
        if "eval_loss" in logs:
            self._eval_loss = float(logs["eval_loss"])
        if "num_tokens" in logs:
            self.tokens_per_second = float(logs["num_tokens"]) / self._elapsed()
        if self._task is not None:
            self.table.show(self._task, state.global_step, self._line(state))
        elif "eval_loss" in logs and self._started:
            note(f"{self.title}  {self._line(state)}")

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Leave the last state of the line on the screen."""
        self.close()

    def close(self) -> None:
        """End the line, also after an error."""
        if self._task is not None:
            self.table.close(self._task)
            self._task = None

    def _elapsed(self) -> float:
        return max(time.monotonic() - self._started, 1e-9)

    def _line(self, state: TrainerState) -> str:
        done = state.global_step - self._first_step
        left = self._elapsed() / done * (state.max_steps - state.global_step) if done else 0.0
        held_out = f"  held-out {self._eval_loss:.3f}" if self._eval_loss is not None else ""
        return (
            f"step {state.global_step}/{state.max_steps}  loss {self._loss:.3f}{held_out}"
            f"  {self.tokens_per_second:.0f} tok/s  {left / 60:.1f} min left  {peak_memory_gib():.1f} GiB"
        )
