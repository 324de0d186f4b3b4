"""The picture of a study: drawn for whatever a study can hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_marketing.tuning.journal import TrialRow
from lora_marketing.tuning.plot import draw_study
from lora_marketing.tuning.results import table_of

ROWS = [
    TrialRow(
        0, "done", {"lora.rank": 16, "lora.variant": "plain"}, {"held_out_loss": 3.1, "stop_rate": 0.5}, 60.0
    ),
    TrialRow(1, "pruned", {"lora.rank": 4, "lora.variant": "dora"}, {"held_out_loss": 3.4}, 20.0),
    TrialRow(2, "failed", {"lora.rank": 8, "lora.variant": "plain"}, {}, 4.0, "the loss became nan"),
    TrialRow(
        3, "done", {"lora.rank": 8, "lora.variant": "dora"}, {"held_out_loss": 3.0, "stop_rate": 0.7}, 60.0
    ),
    TrialRow(
        4,
        "done",
        {"lora.rank": 8, "lora.variant": "dora"},
        {"held_out_loss": 3.0, "stop_rate": 0.7},
        0.0,
        "",
        3,
    ),
]


@pytest.mark.parametrize("objective", ["held_out_loss", "stop_rate"])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_every_study_can_be_drawn(objective: str, count: int, tmp_path: Path) -> None:
    draw_study(tmp_path / "trials.png", ROWS[:count], objective, "tidal/soap")
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_shows_all_figures_the_objective_first() -> None:
    table = table_of(ROWS, "stop_rate")
    assert [column.header for column in table.columns] == [
        "trial",
        "rank",
        "variant",
        "stop rate",
        "held out loss",
        "min",
        "",
    ]
    told = [list(column.cells)[row] for row in range(5) for column in table.columns[-1:]]
    assert told == ["recipe", "pruned", "failed: the loss became nan", "best", "as trial 3"]
    assert list(table.columns[3].cells) == ["50%", "", "", "70%", "70%"]
