"""Pairs are read strictly: every bad one is told with its line, and recipes say what they lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lora_marketing.brands.brand import Example
from lora_marketing.brands.preference_pairs import PreferencePair
from lora_marketing.common.errors import DataError, LoraMarketingError
from lora_marketing.data.dataset import prepare
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.recipe.extra import dpo_config_fields
from tests.making import RECIPE, row, write_rows, write_world

DPO = RECIPE.replace("train: texts.jsonl", "pairs: pairs.jsonl") + "train:\n  method: dpo\n  beta: 0.2\n"


def pair(number: int, **changes: Any) -> dict[str, Any]:
    texts = {"chosen": f"Bar {number}. It floats.", "rejected": f"Bar {number} is a real miracle!"}
    return row(number, **{"text": ..., **texts, **changes})


def write_pairs(folder: Path, found: list[Any], recipe: str = DPO) -> Path:
    path = write_world(folder, recipe)
    write_rows(folder / "pairs.jsonl", found)
    return path


def loaded(folder: Path, found: list[Any], *overrides: str) -> LoadedRecipe:
    return load_recipe(write_pairs(folder, found), overrides)


def told(path: Path, *overrides: str) -> list[str]:
    """Every problem as `file:line: what`."""
    with pytest.raises(LoraMarketingError) as caught:
        prepare(load_recipe(path, overrides))
    assert all(problem.fix or problem.allowed or problem.got for problem in caught.value.problems)
    return [f"{p.where}".rpartition("/")[2] + f": {p.what}" for p in caught.value.problems]


def test_every_bad_pair_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    """A rejected text may say anything, a chosen one only what the brand allows."""
    bad = [
        pair(20, rejected=...),
        pair(21, chosen="Bar 21.  It floats. ", rejected="Bar 21.\nIt floats."),
        pair(22, chosen="完美 perfect skin 香皂", rejected="香皂"),
        pair(23, channel="metafeed"),
        pair(24, text="Bar 24."),
        pair(25, chosen="   "),
        pair(25),
        pair(26, rejected="奇迹 miracle!"),
    ]
    assert told(write_pairs(tmp_path, [*map(pair, range(1, 11)), *bad])) == [
        "pairs.jsonl:11: row without rejected",
        "pairs.jsonl:12: chosen equals rejected",
        "pairs.jsonl:13: chosen text of tidal contains a banned term or competitor",
        'pairs.jsonl:14: unknown channel "metafeed"',
        "pairs.jsonl:15: unknown key text",
        "pairs.jsonl:16: chosen is not allowed",
    ]


def test_a_pair_is_a_row_whose_text_is_the_chosen_one(tmp_path: Path) -> None:
    found = prepare(loaded(tmp_path, [pair(n, chosen=f"第{n}块香皂会浮。") for n in range(1, 13)]))
    first = found.train[0]
    assert isinstance(first, PreferencePair)
    assert first.as_chosen() == Example(**{**first.as_rejected().model_dump(), "text": first.text})
    assert (first.as_chosen().text, first.as_rejected().text) == (first.text, first.rejected)
    assert first.brief() == first.as_rejected().brief()
    others = [pair(n, chosen=f"第{n}块香皂会浮。", rejected="糟") for n in range(1, 13)]
    changed = prepare(loaded(tmp_path, others))
    assert [row.id for row in changed.train] == [row.id for row in found.train]
    assert changed.hashes()["train_sha256"] != found.hashes()["train_sha256"], "rejected texts count too"


def test_pairs_of_one_brief_are_held_out_together(tmp_path: Path) -> None:
    """Else the held-out accuracy would be of briefs that were trained on."""
    pairs = [pair(n, product=f"Bar {n % 7}", rejected=f"Miracle {n}!") for n in range(1, 43)]
    found = prepare(loaded(tmp_path, pairs, "data.validation_fraction=0.3"))
    trained, held_out = ({row.product for row in rows} for rows in (found.train, found.validation))
    assert (len(trained), len(held_out)) == (5, 2)
    assert trained & held_out == set()
    assert len(found.train) + len(found.validation) == 42
    again = prepare(loaded(tmp_path, [*pairs, {**pairs[0], "id": "again"}], "data.validation_fraction=0.3"))
    assert again.duplicates_dropped == 1
    with pytest.raises(DataError, match="all pairs are of one brief"):
        prepare(loaded(tmp_path, [pair(n, product="Bar", rejected=f"{n}!") for n in range(1, 12)]))


@pytest.mark.parametrize(
    ("recipe", "problems"),
    [
        (DPO.replace("pairs: pairs", "train: texts"), ["10: train.method: dpo needs data.pairs"]),
        (
            DPO.replace("method: dpo", "method: sft") + "  start: tidal/soap\n",
            [
                "8: data.pairs needs train.method: dpo",
                "12: train.start needs train.method: dpo",
                "11: train.beta needs train.method: dpo",
                "7: missing key data.train",
            ],
        ),
        (DPO + "  start: tidal/candle@prod\n", ["12: train.start is another brand's or line's adapter"]),
        (DPO + "  start: '../x'\n", ["12: train.start is not allowed"]),
        (DPO + "lora: {dropout: 0.1}\n", ["12: train.method: dpo trains without dropout"]),
        (DPO.replace("dpo", "ppo"), ["10: train.method is not allowed"]),
        (DPO.replace("0.2", "0"), ["11: train.beta is not allowed"]),
        (DPO.replace("pairs.jsonl", "gone.jsonl"), ["8: data.pairs is not there"]),
        (
            DPO + "  extra: {beta: 1.0, loss_type: [ipo], padding_free: true, eval_packing: true}\n",
            [
                "12: train.extra.beta is not allowed",
                "12: train.extra.padding_free is not allowed",
                "12: unknown key train.extra.eval_packing",
            ],
        ),
    ],
)
def test_a_recipe_says_what_its_method_lacks_and_cannot_use(
    tmp_path: Path, recipe: str, problems: list[str]
) -> None:
    path = write_pairs(tmp_path, [pair(n) for n in range(1, 13)], recipe)
    assert sorted(told(path)) == sorted(f"recipe.yaml:{problem}" for problem in problems)


@pytest.mark.parametrize("start", ["tidal/soap", "tidal/soap@prod", "tidal/soap:0123abcd"])
def test_a_start_is_an_earlier_version_of_the_same_adapter(tmp_path: Path, start: str) -> None:
    recipe = loaded(tmp_path, [pair(n) for n in range(1, 13)], f"train.start={start}").recipe
    assert (recipe.train.method, recipe.train.beta, recipe.train.start) == ("dpo", 0.2, start)


def test_texts_of_an_extended_recipe_are_left_aside(tmp_path: Path) -> None:
    """A preference recipe may extend the brand's own: its texts stay known, its pairs are trained on."""
    write_pairs(tmp_path, [pair(n) for n in range(1, 13)], RECIPE)
    path = tmp_path / "preferences.yaml"
    path.write_text("extends: recipe.yaml\ntrain: {method: dpo}\ndata: {pairs: pairs.jsonl}\n")
    found = load_recipe(path)
    assert (found.rows_file.name, found.train_file.name) == ("pairs.jsonl", "texts.jsonl")
    assert all(isinstance(one, PreferencePair) for one in prepare(found).train)


def test_the_fields_read_from_source_are_the_fields_of_the_class() -> None:
    from dataclasses import fields

    from trl.trainer.dpo_config import DPOConfig

    assert dpo_config_fields() == {field.name for field in fields(DPOConfig)}
