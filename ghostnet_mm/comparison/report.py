"""The results of a comparison: a Markdown table, a CSV of all runs, and a plot."""

import csv
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..reporting.tradeoff_plot import draw_tradeoff
from .costs import Cost
from .runs import RunResult

METRICS = ("coco/bbox_mAP", "coco/segm_mAP")
TABLE_NAME = "comparison.md"
CSV_NAME = "runs.csv"
PLOT_NAME = "comparison.png"


def write_report(
    results: Sequence[RunResult],
    costs: Mapping[str, Cost],
    out_dir: str | Path,
    notes: Sequence[str],
) -> str:
    """Write ``comparison.md``, ``runs.csv`` and ``comparison.png`` to ``out_dir``.

    Args:
        results: All runs.
        costs: The cost of each candidate.
        out_dir: The folder.
        notes: Lines below the table: how it was made.

    Returns:
        The table, in Markdown.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    table = "\n".join([*table_lines(results, costs), "", *notes, ""])
    (folder / TABLE_NAME).write_text(table, encoding="utf-8")
    _write_csv(results, folder / CSV_NAME)
    _draw(results, costs, folder / PLOT_NAME)
    return table


def scores_of(results: Sequence[RunResult], label: str, metric: str) -> list[float]:
    """Return a candidate's scores in the order of its runs.

    mmdet reports nothing for a detector that finds nothing: that is a score of 0.
    """
    return [one.metrics.get(metric, 0.0) for one in results if one.label == label]


def main_metric(results: Sequence[RunResult]) -> str:
    """Return the metric to compare by: box AP if there is any, else mask AP."""
    seen = {metric for one in results for metric in one.metrics}
    return next((metric for metric in METRICS if metric in seen), METRICS[0])


def table_lines(
    results: Sequence[RunResult], costs: Mapping[str, Cost]
) -> Iterator[str]:
    """Yield a Markdown table, best candidate first.

    The spread is the sample standard deviation over seeds; ``-`` with one seed.
    """
    metric = main_metric(results)
    labels = list(dict.fromkeys(one.label for one in results))
    means = {
        label: statistics.fmean(scores_of(results, label, metric)) for label in labels
    }
    yield (
        f"| model | {metric.rpartition('/')[2]} | spread | runs | params (M) "
        f"| GMACs | latency (ms) | training (min) |"
    )
    yield "|---|---:|---:|---|---:|---:|---:|---:|"
    for label in sorted(labels, key=means.get, reverse=True):
        scores = scores_of(results, label, metric)
        spread = f"{statistics.stdev(scores):.3f}" if len(scores) > 1 else "-"
        seconds = [one.seconds for one in results if one.label == label]
        cost = costs[label]
        latency = "-" if cost.milliseconds is None else f"{cost.milliseconds:.1f}"
        yield (
            f"| {label} | {means[label]:.3f} | {spread} "
            f"| {', '.join(f'{one:.3f}' for one in scores)} "
            f"| {cost.parameters / 1e6:.2f} | {cost.macs / 1e9:.3f} | {latency} "
            f"| {statistics.fmean(seconds) / 60:.1f} |"
        )


def _write_csv(results: Sequence[RunResult], path: Path) -> None:
    metrics = sorted({key for one in results for key in one.metrics})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "seed", "seconds", *metrics])
        for one in results:
            scores = [one.metrics.get(key, "") for key in metrics]
            writer.writerow([one.label, one.seed, round(one.seconds, 1), *scores])


def _draw(results: Sequence[RunResult], costs: Mapping[str, Cost], path: Path) -> None:
    metric = main_metric(results)
    axes_of = {
        "parameters (M)": {k: cost.parameters / 1e6 for k, cost in costs.items()},
        "GMACs": {label: cost.macs / 1e9 for label, cost in costs.items()},
    }
    if all(cost.milliseconds is not None for cost in costs.values()):
        axes_of["latency (ms)"] = {k: cost.milliseconds for k, cost in costs.items()}
    draw_tradeoff(
        {label: scores_of(results, label, metric) for label in costs},
        axes_of,
        f"{metric.rpartition('/')[2]} (bars: lowest to highest seed)",
        path,
    )
