"""Losses and scores over a run, drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ghostnet_runtime.atomic_writing import finished_file
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Of the scores of COCO those that say most.
SHOWN_SCORES = ("mAP", "mAP_50", "mAP_75")


def draw_curves(rows: Sequence[Mapping[str, float]], path: str | Path) -> None:
    """Write a PNG with a panel of losses, and one of scores if there are any.

    Args:
        rows: With ``epoch`` and ``iteration``, losses (``loss`` in their names), and
            scores (``/`` in their names).
        path: The picture.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    losses = [name for name in names if "loss" in name and "/" not in name]
    panels = {"loss": losses, "score": shown_scores(names)}
    panels = {label: curves for label, curves in panels.items() if curves}
    figure = Figure(figsize=(5.2 * max(len(panels), 1), 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, max(len(panels), 1), squeeze=False)[0]
    for panel, (label, curves) in zip(axes, panels.items(), strict=False):
        draw_panel(panel, rows, curves, label)
        panel.grid(alpha=0.3)
    with finished_file(path) as scratch:
        figure.savefig(scratch, dpi=120, format="png")


def draw_panel(
    panel: Any, rows: Sequence[Mapping[str, float]], names: Sequence[str], label: str
) -> None:
    """Draw columns of a run's table over its epochs, or iterations where it has none.

    Args:
        panel: Axes of matplotlib.
        rows: As for `draw_curves`.
        names: The columns.
        label: Of the upright axis.
    """
    axis = "epoch" if any(row["epoch"] for row in rows) else "iteration"
    for name in names:
        known = [row for row in rows if name in row]
        panel.plot(
            [row[axis] for row in known],
            [row[name] for row in known],
            marker="." if len(known) < 40 else None,
            label=name.rpartition("/")[2],
            # Validation's beside the training's of the same name.
            linestyle="--" if name.startswith("val_") else "-",
        )
    panel.set_xlabel(axis)
    panel.set_ylabel(label)
    if len(names) > 1:
        panel.legend(frameon=False, fontsize="small")


def shown_scores(names: Sequence[str]) -> list[str]:
    """Return the names of the scores to draw: COCO's main ones, or else all."""
    scores = [name for name in names if "/" in name]
    coco = [name for name in scores if name.endswith(SHOWN_SCORES)]
    return coco or scores
