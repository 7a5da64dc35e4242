"""Accuracy against latency, a picture for each runtime and a mark for each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from ..export.card.deploy_card import MAIN_METRICS
from ..reporting.pictures import figure_address
from ..reporting.tradeoff_plot import MARKERS
from .request import Goal
from .steps import Step


def tradeoff_pictures(steps: Sequence[Step], goal: Goal) -> Iterator[tuple[str, str]]:
    """Yield a caption and a ``data:`` address per runtime with timed steps.

    Accuracy is mAP where there are labels, or else the output error, upside down: what
    is above the dashed line meets the goal. All have the same axes and marks.

    Args:
        steps: Of all runtimes; the first of each is FP32.
        goal: What may be lost.
    """
    timed = [step for step in steps if step.latency]
    for runtime in dict.fromkeys(step.runtime for step in timed):
        yield runtime, figure_address(_drawn(timed, runtime, goal))


def _drawn(steps: Sequence[Step], runtime: str, goal: Goal) -> Figure:
    """Draw the steps of a runtime; those of the others make the axes equal."""
    metric = next((name for name in MAIN_METRICS if name in steps[0].metrics), None)
    names = list(dict.fromkeys(step.name for step in steps))
    figure = Figure(figsize=(4.8, 4.2), layout="constrained")
    panel = figure.subplots()
    for step in steps:
        assert step.latency is not None
        index, is_shown = names.index(step.name), step.runtime == runtime
        panel.plot(
            step.latency.median,
            step.error.total if metric is None else step.metrics[metric],
            MARKERS[index % len(MARKERS)],
            color=f"C{index % 10}",
            alpha=float(is_shown),
            label=step.name if is_shown else None,
        )
    lowest = goal.error
    if metric is None:
        panel.invert_yaxis()
    else:
        exact = next(step for step in steps if step.runtime == runtime)
        lowest = exact.metrics[metric] - goal.points / 100
    panel.axhline(lowest, linestyle="--", color="gray", label="goal")
    panel.set_xlim(left=0)
    panel.set_xlabel("latency (ms, median)")
    panel.set_ylabel(metric or "output error")
    panel.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
