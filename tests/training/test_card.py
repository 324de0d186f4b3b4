"""What a person finds beside an adapter: the loss curve's points and axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from lora_marketing.training.card import draw_loss_curve
from lora_marketing.training.progress import LogPoint

POINTS = [
    LogPoint(0, None, 4.0),
    LogPoint(1, 3.5, None),
    LogPoint(2, 3.0, 3.25),
    LogPoint(3, 2.5, None),
    LogPoint(4, 2.0, 3.5),
]


@pytest.mark.parametrize(
    ("method", "label"),
    [("sft", "loss per completion token (nats)"), ("dpo", "DPO loss per pair (the reference's is ln 2)")],
)
def test_the_curve_has_every_loss_at_its_step(
    method: str, label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, dpi: saved.append(figure))
    draw_loss_curve(tmp_path / "loss.png", POINTS, "tidal/soap", method)
    (axes,) = saved[0].axes
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("tidal/soap", "optimizer step", label)
    assert [np.asarray(line.get_xydata()).tolist() for line in axes.lines] == [
        [[1, 3.5], [2, 3.0], [3, 2.5], [4, 2.0]],
        [[0, 4.0], [2, 3.25], [4, 3.5]],
    ]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "held out"]
    assert [(text.get_text(), text.xy) for text in axes.texts] == [("best 3.250", (2, 3.25))]
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")


@pytest.mark.parametrize("points", [POINTS[:1], POINTS[1:2]])
def test_a_curve_of_few_points_is_drawn(points: list[LogPoint], tmp_path: Path) -> None:
    draw_loss_curve(tmp_path / "loss.png", points, "tidal/soap")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
