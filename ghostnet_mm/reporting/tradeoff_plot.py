"""Accuracy against cost, drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from ghostnet_runtime.atomic_writing import finished_file
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MARKERS = "osD^vP*Xhd"
"""A mark for each model or step, beginning anew after the last."""


def draw_tradeoff(
    scores: Mapping[str, Sequence[float]],
    costs: Mapping[str, Mapping[str, float]],
    score_label: str,
    path: str | Path,
) -> None:
    """Write a PNG with a panel for each kind of cost, and a mark for each model.

    Args:
        scores: Each model's scores, of which the mean is marked; bars reach from the
            lowest to the highest.
        costs: Per panel, named by its axis, the cost of each model.
        score_label: What the scores are.
        path: The picture.
    """
    figure = Figure(figsize=(4.8 * len(costs), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for panel, (name, values) in zip(panels, costs.items(), strict=True):
        for index, label in enumerate(values):
            mean = fmean(scores[label])
            panel.errorbar(
                values[label],
                mean,
                yerr=[[mean - min(scores[label])], [max(scores[label]) - mean]],
                fmt=MARKERS[index % len(MARKERS)],
                color=f"C{index % 10}",
                capsize=4,
                label=label,
            )
        panel.set_xlabel(name)
        panel.set_xlim(left=0)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(score_label)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    with finished_file(path) as scratch:
        figure.savefig(scratch, dpi=130)
