"""The charts of a report, as addresses of SVG pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...evaluation.coco_errors import CocoErrors
from ...evaluation.score_thresholds import ThresholdCurve
from ...reporting.curves_plot import draw_panel, shown_scores
from ...reporting.pictures import figure_address

# More classes than this are no longer legible in a matrix.
MOST_CLASSES = 30
SIZE = (5.2, 3.6)


def rate_chart(rows: Sequence[Mapping[str, float]]) -> str:
    """Draw the learning rate over the run."""
    return _curves(rows, ["lr"], "learning rate")


def loss_chart(rows: Sequence[Mapping[str, float]]) -> str:
    """Draw the whole loss of training and validation."""
    names = [name for name in ("loss", "val_loss") if any(name in r for r in rows)]
    return _curves(rows, names, "loss")


def parts_chart(rows: Sequence[Mapping[str, float]]) -> str | None:
    """Draw the parts of the loss; ``None`` where it has none."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    parts = [n for n in names if "loss" in n and n not in ("loss", "val_loss")]
    return _curves(rows, parts, "parts of the loss") if parts else None


def score_chart(rows: Sequence[Mapping[str, float]]) -> str | None:
    """Draw the scores; ``None`` where nothing was validated."""
    names = shown_scores(list(dict.fromkeys(name for row in rows for name in row)))
    return _curves(rows, names, "score") if names else None


def precision_recall_chart(curve: ThresholdCurve) -> str:
    """Draw precision over recall, with the best threshold."""
    figure, panel = _figure()
    panel.plot(curve.recall, curve.precision)
    best = curve.best
    panel.plot(curve.recall[best], curve.precision[best], "o", color="#b00020")
    panel.annotate(
        f"score {curve.thresholds[best]:.2f}",
        (curve.recall[best], curve.precision[best]),
        textcoords="offset points",
        xytext=(6, 6),
    )
    panel.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    return figure_address(figure)


def f1_chart(curve: ThresholdCurve) -> str:
    """Draw F1, precision and recall over the threshold."""
    figure, panel = _figure()
    panel.plot(curve.thresholds, curve.f1, label="F1")
    panel.plot(curve.thresholds, curve.precision, label="precision", alpha=0.6)
    panel.plot(curve.thresholds, curve.recall, label="recall", alpha=0.6)
    panel.axvline(curve.thresholds[curve.best], color="#b00020", linewidth=1)
    panel.set(xlabel="lowest score shown", xlim=(0, 1), ylim=(0, 1.05))
    panel.legend(frameon=False, fontsize="small")
    return figure_address(figure)


def calibration_chart(errors: CocoErrors) -> str:
    """Draw the share of right detections over their score."""
    figure, panel = _figure()
    panel.plot([0, 1], [0, 1], color="#888", linewidth=1, linestyle="--")
    steps = errors.calibration
    panel.plot([s["score"] for s in steps], [s["precision"] for s in steps], marker="o")
    panel.set(xlabel="score", ylabel="right detections", xlim=(0, 1), ylim=(0, 1.02))
    return figure_address(figure)


def confusion_chart(errors: CocoErrors) -> str | None:
    """Draw the confusion matrix by rows; ``None`` with too many classes to read."""
    names = errors.class_names
    if len(names) > MOST_CLASSES:
        return None
    totals = errors.confusion.sum(axis=1, keepdims=True)
    shares = errors.confusion / np.maximum(totals, 1)
    side = 2.2 + 0.32 * len(names)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    panel = figure.subplots()
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    shown = [_plain(name) for name in names]
    places = range(len(names) + 1)
    panel.set_xticks(places, [*shown, "not found"], rotation=90, fontsize="small")
    panel.set_yticks(places, [*shown, "nothing"], fontsize="small")
    panel.set(xlabel="found as", ylabel="true class")
    for row, column in np.argwhere(errors.confusion):
        panel.text(
            column,
            row,
            f"{errors.confusion[row, column]}",
            ha="center",
            va="center",
            fontsize="x-small",
            color="white" if shares[row, column] > 0.6 else "black",
        )
    return figure_address(figure)


def _curves(
    rows: Sequence[Mapping[str, float]], names: Sequence[str], label: str
) -> str:
    figure, panel = _figure()
    draw_panel(panel, rows, names, label)
    return figure_address(figure)


def _figure() -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE, layout="constrained")
    panel = figure.subplots()
    panel.grid(alpha=0.3)
    return figure, panel


def _plain(name: str, most: int = 18) -> str:
    short = name if len(name) <= most else name[: most - 1] + "…"
    return short.replace("$", r"\$")
