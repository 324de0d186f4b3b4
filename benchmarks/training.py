"""Train on the same rows three ways, side by side: plain TRL, TRL packed, and prefix trees.

    python benchmarks/training.py --guides 0 64 256 1024 brand --rounds 3

Same base, same rows, same LoRA, same global batch, same steps. The ways take turns round by round
in one process each, the first step of every measurement is not counted, and medians are reported.
A step is 16 rows; TRL, which has to compute every row's guide, splits it where memory asks for it.
Figures: completion tokens per second and peak memory. A report keeps what it holds of other guides.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WAYS = {"trl": "TRL, padded (its defaults)", "bfd": "TRL, packing=bfd", "tree": "prefix trees"}
GUIDES = ["0", "64", "256", "1024", "brand"]
MICRO_TOKENS = 5500
"""What TRL can compute at once in 24 GB here: longer steps are split, and their gradients added."""


@dataclass(frozen=True)
class Measured:
    """One process: seconds per optimizer step without the first, loss of each step, peak memory."""

    way: str
    guide: str
    completion_tokens: float
    seconds: list[float]
    losses: list[float]
    peak_gib: float

    @property
    def rate(self) -> float:
        return self.completion_tokens / statistics.median(self.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--guides", nargs="+", choices=GUIDES, default=GUIDES)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes/brands/ember-espresso.yaml")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/training.json")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "GUIDE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(_measure(*options.one, options))))
        return
    new = [
        _in_own_process(way, guide, options)
        for guide in options.guides
        for _ in range(options.rounds)
        for way in options.ways
    ]
    found = [*_kept(options.out, new), *new]
    report = {
        "date": str(date.today()),
        "machine": platform.machine(),
        "rows_per_step": options.rows,
        "measured": [asdict(one) for one in found],
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    guides = [guide for guide in GUIDES if any(one.guide == guide for one in found)]
    _print(found, guides)
    _plot(found, guides, options.out.with_suffix(".png"))


def _kept(path: Path, new: Sequence[Measured]) -> list[Measured]:
    """What the report holds of guides that were not measured anew."""
    if not path.is_file():
        return []
    guides = {(one.way, one.guide) for one in new}
    old = [Measured(**one) for one in json.loads(path.read_text())["measured"]]
    return [one for one in old if (one.way, one.guide) not in guides]


def _in_own_process(way: str, guide: str, options: argparse.Namespace) -> Measured:
    common = ["--steps", str(options.steps), "--rows", str(options.rows), "--recipe", str(options.recipe)]
    command = [sys.executable, __file__, "--one", way, guide, *common]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(run.stderr)
    measured = Measured(**json.loads(run.stdout.strip().splitlines()[-1]))
    print(
        f"guide {guide:>5}  {way:<5} {measured.rate:7.1f} completion tok/s  {measured.peak_gib:.2f} GiB",
        flush=True,
    )
    return measured


def _measure(way: str, guide: str, options: argparse.Namespace) -> Measured:
    import datasets
    from transformers import PrinterCallback, TrainerCallback

    from lora_marketing.cli.quiet import quiet_upstream
    from lora_marketing.engine.base import load_base
    from lora_marketing.recipe import load_recipe
    from lora_marketing.training.build import lora_config
    from lora_marketing.training.peak_memory import peak_memory_gib

    quiet_upstream()
    loaded = load_recipe(options.recipe)
    base = load_base(loaded.recipe.base)
    rows = _rows(guide, loaded, base, options.rows * (options.steps + 1))
    dataset = datasets.Dataset.from_list(rows)
    clock: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.append(time.perf_counter())

    with TemporaryDirectory() as folder:
        common = {
            "model": base.model,
            "train_dataset": dataset,
            "processing_class": base.tokenizer,
            "peft_config": lora_config(loaded.recipe, base),
            "callbacks": [Clock()],
        }
        if way == "tree":
            from lora_marketing.training.checkpoints import CheckpointVault
            from lora_marketing.training.collate import TreeCollator
            from lora_marketing.training.trainer import BrandTrainer

            trainer = BrandTrainer(
                vault=CheckpointVault(Path(folder)),
                recipe=loaded.recipe,
                data_collator=TreeCollator(),
                args=_config(folder, options, parts=1, pack=None),
                **common,
            )
        else:
            from trl import SFTTrainer

            per_step = sum(len(row["input_ids"]) for row in rows) // (options.steps + 1)
            parts = _parts(per_step, options.rows)
            pack = per_step // parts if way == "bfd" else None
            trainer = SFTTrainer(args=_config(folder, options, parts=parts, pack=pack), **common)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    seconds = [after - before for before, after in pairwise(clock)]
    args = trainer.args
    per_step = args.per_device_train_batch_size * args.gradient_accumulation_steps
    completion = _completion_tokens(trainer.train_dataset, per_step)
    return Measured(way, guide, completion, seconds, losses, peak_memory_gib())


def _completion_tokens(dataset: Any, batch_size: int) -> float:
    """Completion tokens of the average step; packing decides itself how many rows are in one."""
    total = sum(label != -100 for labels in dataset["labels"] for label in labels)
    return total * batch_size / len(dataset)


def _parts(tokens: int, rows: int) -> int:
    """Micro-batches of a step for TRL: the fewest equal ones of at most MICRO_TOKENS tokens each."""
    return next(parts for parts in range(1, rows + 1) if rows % parts == 0 and tokens / parts <= MICRO_TOKENS)


def _config(folder: str, options: argparse.Namespace, *, parts: int, pack: int | None) -> Any:
    """The same settings for all ways: a step is `parts` micro-batches, packed sequences of `pack` tokens."""
    import torch
    from trl import SFTConfig

    on_gpu = torch.cuda.is_available()
    return SFTConfig(
        output_dir=folder,
        max_steps=options.steps + 1,
        per_device_train_batch_size=1 if pack else options.rows // parts,
        gradient_accumulation_steps=parts,
        learning_rate=1e-3,
        packing=pack is not None,
        max_length=pack,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        activation_checkpointing=False,
        gradient_checkpointing=False,
        train_sampling_strategy="sequential",
        remove_unused_columns=pack is not None,
        disable_tqdm=True,
        seed=13,
    )


def _rows(guide: str, loaded: Any, base: Any, count: int) -> list[dict[str, list[int]]]:
    """Rows of the brand itself, or rows with a shared guide of so many tokens, 20 of brief and 40 of copy."""
    if guide == "brand":
        from lora_marketing.data.dataset import prepare
        from lora_marketing.tokens.render import render_example

        train = prepare(loaded).train
        examples = [train[index % len(train)] for index in range(count)]
        rendered = [render_example(example, loaded.brand, base) for example in examples]
        return [{"input_ids": list(row.input_ids), "labels": list(row.labels)} for row in rendered]
    chance = random.Random(13)
    vocabulary = range(100, base.model.config.vocab_size)
    prefix = chance.choices(vocabulary, k=int(guide))
    tails = [chance.choices(vocabulary, k=60) for _ in range(count)]
    return [{"input_ids": prefix + tail, "labels": [-100] * (len(prefix) + 20) + tail[20:]} for tail in tails]


def _print(found: Sequence[Measured], guides: Sequence[str]) -> None:
    print(
        "\n| guide tokens | way | completion tokens/s | times TRL padded | peak GiB |\n|---|---|---|---|---|"
    )
    for guide in guides:
        plain = _median_rate(found, "trl", guide)
        for way, title in WAYS.items():
            if not any((one.way, one.guide) == (way, guide) for one in found):
                continue
            rate = _median_rate(found, way, guide)
            peak = _peak(found, way, guide)
            print(f"| {guide} | {title} | {rate:.1f} | {rate / plain:.1f} | {peak:.2f} |")


def _plot(found: Sequence[Measured], guides: Sequence[str], path: Path) -> None:
    """Two panels over the guide's length: completion tokens per second, and peak memory."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    speed, memory = figure.subplots(1, 2)
    colors = {"trl": "#9aa0a6", "bfd": "#e0a458", "tree": "#2a6f97"}
    at = range(len(guides))
    for place, (way, title) in enumerate(WAYS.items()):
        own = [one for one in found if one.way == way]
        there = [x for x in at if any(one.guide == guides[x] for one in own)]
        shifted = [x + (place - 1) * 0.27 for x in there]
        rates = [_median_rate(found, way, guides[x]) for x in there]
        bars = speed.bar(shifted, rates, 0.25, color=colors[way], label=title)
        speed.bar_label(bars, [f"{rate:.0f}" for rate in rates], fontsize=7)
        memory.bar(shifted, [_peak(found, way, guides[x]) for x in there], 0.25, color=colors[way])
    speed.set_yscale("log")
    speed.yaxis.set_major_formatter(ScalarFormatter())
    speed.set_ylabel("completion tokens / s")
    memory.set_ylabel("peak memory, GiB")
    for axes in (speed, memory):
        axes.set_xticks(list(at), guides)
        axes.set_xlabel("tokens of the shared guide")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)


def _peak(found: Sequence[Measured], way: str, guide: str) -> float:
    return max(one.peak_gib for one in found if (one.way, one.guide) == (way, guide))


def _median_rate(found: Sequence[Measured], way: str, guide: str) -> float:
    return statistics.median(one.rate for one in found if (one.way, one.guide) == (way, guide))


if __name__ == "__main__":
    main()
