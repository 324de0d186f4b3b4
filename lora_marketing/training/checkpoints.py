"""Checkpoints that survive a crash: whole or absent, hashed, the newest valid one chosen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lora_marketing.common.console import note
from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.common.files import appearing, file_sha256

COMPLETE = "COMPLETE"
"""Name of the file that lists the sha256 of every other file in a checkpoint."""


@dataclass(frozen=True)
class CheckpointVault:
    """The checkpoints of one run, in folders named `step-000012`."""

    folder: Path

    def path(self, step: int) -> Path:
        """The folder of one step's checkpoint."""
        return self.folder / f"step-{step:06d}"

    def steps(self) -> list[int]:
        """Steps that have a checkpoint folder, whole or not, oldest first."""
        names = (path.name.removeprefix("step-") for path in self.folder.glob("step-*"))
        return sorted(int(name) for name in names if name.isdecimal())

    @contextmanager
    def staged(self, step: int) -> Iterator[Path]:
        """Yield a folder to write into; it becomes the checkpoint of `step` if the block ends well.

        The Trainer writes into a subfolder of its own naming, whose files are moved up.
        """
        shutil.rmtree(self.path(step), ignore_errors=True)
        with appearing(self.path(step)) as staging:
            yield staging
            for inner in [path for path in staging.iterdir() if path.is_dir()]:
                for file in inner.iterdir():
                    file.rename(staging / file.name)
                inner.rmdir()
            hashes = {path.name: file_sha256(path) for path in sorted(staging.iterdir())}
            (staging / COMPLETE).write_text(json.dumps(hashes, indent=1))

    def damage(self, step: int) -> str | None:
        """What is wrong with a checkpoint, or None if it is whole."""
        folder = self.path(step)
        try:
            hashes = json.loads((folder / COMPLETE).read_text())
        except FileNotFoundError:
            return f"{COMPLETE} is missing"
        except ValueError:  # not JSON, or not even UTF-8
            return f"{COMPLETE} is torn"
        for name, expected in hashes.items():
            path = folder / name
            if not path.is_file():
                return f"{name} is missing"
            if file_sha256(path) != expected:
                return f"{name} is damaged"
        return None

    def newest_valid(self) -> Path | None:
        """The newest checkpoint that is whole; damaged ones are named on the way and passed over."""
        for step in reversed(self.steps()):
            damage = self.damage(step)
            if damage is None:
                return self.path(step)
            note(f"Passing over {self.path(step).name}: {damage}")
        return None

    def require(self, step: int) -> Path:
        """The checkpoint of `step`.

        Raises:
            TrainingError: it is missing or damaged.
        """
        damage = self.damage(step)
        if damage:
            fix = "train again without --resume"
            raise TrainingError(Problem(f"the best checkpoint (step {step}) is lost", got=damage, fix=fix))
        return self.path(step)

    def prune(self, keep_newest: int, best_step: int | None) -> None:
        """Delete all checkpoints but the newest ones and the best."""
        steps = self.steps()
        for step in steps[:-keep_newest]:
            if step != best_step:
                shutil.rmtree(self.path(step), ignore_errors=True)

    def clear(self) -> None:
        """Delete every checkpoint, and staging folders of killed runs."""
        shutil.rmtree(self.folder, ignore_errors=True)
