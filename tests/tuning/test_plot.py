"""The picture of a study: drawn for whatever a study can hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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


@pytest.mark.thorough
@pytest.mark.parametrize("objective", ["held_out_loss", "stop_rate"])
@pytest.mark.parametrize("count", [1, 3, 5])
def test_every_study_can_be_drawn(objective: str, count: int, tmp_path: Path) -> None:
    draw_study(tmp_path / "trials.png", ROWS[:count], objective, "tidal/soap")
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")


def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[TrialRow], objective: str) -> Figure:
    """The figure that is saved."""
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, dpi: saved.append(figure))
    draw_study(tmp_path / "trials.png", rows, objective, "tidal/soap")
    (figure,) = saved
    return figure


def points(axes: Axes) -> set[tuple[float, float]]:
    return {
        (float(x), float(y))
        for marks in axes.collections
        for x, y in np.asarray(marks.get_offsets()).tolist()
    }


def test_the_history_is_drawn_trial_by_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less is better: the best so far falls; a trial that was stopped is there with its loss."""
    history, *_ = drawn(tmp_path, monkeypatch, ROWS, "held_out_loss").axes
    assert (history.get_xlabel(), history.get_ylabel()) == ("trial", "held-out loss")
    assert history.get_title() == "tidal/soap"
    (line,) = history.lines
    assert np.asarray(line.get_xydata()).tolist() == [[0, 3.1], [3, 3.0], [4, 3.0]]
    assert points(history) == {(0, 3.1), (1, 3.4), (3, 3.0), (4, 3.0)}
    assert [(text.get_text(), text.xy) for text in history.texts] == [("best 3.000", (3, 3.0))]
    names = [text.get_text() for text in history.get_legend().get_texts()]
    assert names == ["best so far", "stopped early", "trials", "best", "the recipe"]
    assert all(float(place).is_integer() for place in history.get_xticks())


def test_where_more_is_better_the_best_so_far_rises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And shares are percentages; the stopped trial has no such figure."""
    history, rank, variant = drawn(tmp_path, monkeypatch, ROWS, "stop_rate").axes
    assert [y for _, y in np.asarray(history.lines[0].get_xydata()).tolist()] == [0.5, 0.7, 0.7]
    assert points(history) == {(0, 0.5), (3, 0.7), (4, 0.7)}
    for axes in (history, rank, variant):
        assert axes.yaxis.get_major_formatter()(0.25, 0) == "25%"
    assert history.get_ylabel() == "stop rate"


def test_every_key_has_its_own_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks by powers of two, rates by powers of ten, variants by name, epochs as they are."""
    keys = {
        "lora.rank": (16, 4, 8),
        "train.learning_rate": (2e-4, 5e-5, 8e-4),
        "train.epochs": (3.0, 1.5, 6.0),
    }
    rows = [
        TrialRow(
            n,
            "done",
            {
                **{key: values[n] for key, values in keys.items()},
                "lora.variant": ("plain", "dora", "rslora")[n],
            },
            {"held_out_loss": 3.0 - n},
            1.0,
        )
        for n in range(3)
    ]
    _, rank, rate, epochs, variant = drawn(tmp_path, monkeypatch, rows, "held_out_loss").axes
    assert [axes.get_title() for axes in (rank, rate, epochs, variant)] == [*keys, "lora.variant"]
    assert [axes.get_xscale() for axes in (rank, rate, epochs, variant)] == ["log", "log", "linear", "linear"]
    assert rank.get_xticks().tolist() == [4, 8, 16]
    assert rank.xaxis.get_transform().base == 2  # type: ignore[attr-defined]
    assert rate.xaxis.get_transform().base == 10  # type: ignore[attr-defined]
    for axes, values in zip((rank, rate, epochs), keys.values(), strict=True):
        assert points(axes) == {(x, 3.0 - n) for n, x in enumerate(values)}
        low, high = axes.get_xlim()
        assert low < min(values) < max(values) < high
    assert [label.get_text() for label in variant.get_xticklabels()] == ["dora", "plain", "rslora"]
    assert points(variant) == {(1, 3.0), (0, 2.0), (2, 1.0)}
    assert variant.get_xlim() == (-0.5, 2.5)
    assert [axes.get_ylabel() for axes in (rank, rate, epochs, variant)] == ["held-out loss", "", "", ""]
    assert all(rank.get_shared_y_axes().joined(rank, axes) for axes in (rate, epochs, variant))


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
