"""Likelihoods through the stacked layers against PEFT's own, in float32."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.model_eval.scoring import BATCH_TOKENS, Scorer, render_answer
from lora_marketing.registry.files import CONFIG, WEIGHTS, FileHashes, sha256_of
from lora_marketing.tokens.render import Rendered
from tests.engine.making import peft_model, prompts, save_adapters, section


@pytest.fixture(scope="module")
def base(wild_base: Path) -> LoadedBase:
    return load_base(section(wild_base))


def version(base: LoadedBase, name: str, folder: Path) -> Any:
    hashes = FileHashes(sha256_of(folder / CONFIG), sha256_of(folder / WEIGHTS))
    manifest = SimpleNamespace(base=base.pin)
    return SimpleNamespace(name=name, digest=name, folder=folder, manifest=manifest, hashes=hashes)


def rows(base: LoadedBase) -> list[Rendered]:
    """Prompts and completions of many lengths; more of them than one forward takes."""
    lengths = [7, 3, 40, 12, 5, 90, 33, 21, 64, 8] * 5
    assert sum(lengths) > BATCH_TOKENS / 2
    return [
        Rendered(str(at), tuple(ids), max(1, len(ids) // (2 + at % 3)))
        for at, ids in enumerate(prompts(base, lengths))
    ]


def by_hand(model: Any, row: Rendered) -> float:
    """ln p of a completion, from the logits of this row alone."""
    with torch.no_grad():
        log_p = model(input_ids=torch.tensor([row.input_ids])).logits[0].double().log_softmax(-1)
    places = range(row.prompt_length, len(row.input_ids))
    return sum(float(log_p[at - 1, row.input_ids[at]]) for at in places)


@pytest.mark.parametrize("name", ["plain", "rslora", "dora", None])
def test_as_peft_has_it(base: LoadedBase, tmp_path: Path, name: str | None) -> None:
    folders = save_adapters(base, tmp_path)
    scorer = Scorer(base, len(folders))
    for known, folder in folders.items():
        scorer.register(version(base, known, folder))
    for other in folders:  # so that slots are in use
        scorer.score(rows(base)[:2], other)
    found = scorer.score(rows(base), name)
    model = peft_model(base, folders[name]) if name else base.model
    expected = [by_hand(model, row) for row in rows(base)]
    assert [score.tokens for score in found] == [len(r.input_ids) - r.prompt_length for r in rows(base)]
    per_token = [score.log_p / score.tokens for score in found]
    assert per_token == pytest.approx(
        [p / score.tokens for p, score in zip(expected, found, strict=True)], abs=1e-5
    )


def test_an_answer_extends_the_question_and_leaves_out_the_stop_token(base: LoadedBase) -> None:
    row = render_answer("天黑得早吗？", "是 yes", base)
    assert base.decode(row.input_ids[row.prompt_length :]).strip() == "是 yes"
    assert "天黑得早吗" in base.decode(row.input_ids[: row.prompt_length])
    assert not base.stop_ids & set(row.input_ids[row.prompt_length :])
