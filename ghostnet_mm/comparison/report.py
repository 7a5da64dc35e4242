"""The results of a comparison: a Markdown table, a CSV of all runs, and a plot."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev

from ghostnet_runtime.atomic_writing import write_text

from ..reporting.tables import Table
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
        results: All runs, at least one.
        costs: The cost of each candidate.
        out_dir: The folder.
        notes: Lines below the table: how it was made.

    Returns:
        The table, in Markdown.
    """
    folder = Path(out_dir)
    text = "\n".join([results_table(results, costs).markdown(), "", *notes, ""])
    write_text(folder / TABLE_NAME, text)
    write_text(folder / CSV_NAME, _runs_table(results).csv())
    _draw(results, costs, folder / PLOT_NAME)
    return text


def results_table(results: Sequence[RunResult], costs: Mapping[str, Cost]) -> Table:
    """Return a table of the candidates, the best first.

    The spread is the sample standard deviation over seeds; ``-`` with one seed.
    """
    metric = _main_metric(results)
    columns = (
        *("model", metric.rpartition("/")[2], "spread", "runs", "params (M)"),
        *("GMACs", "latency (ms)", "training (min)"),
    )
    return Table.of(columns, _rows(results, costs, metric))


def _rows(
    results: Sequence[RunResult], costs: Mapping[str, Cost], metric: str
) -> Iterator[tuple[str | None, ...]]:
    scores = _scores(results, metric)
    for label in sorted(scores, key=lambda label: -fmean(scores[label])):
        own, cost = scores[label], costs[label]
        seconds = fmean(run.seconds for run in results if run.label == label)
        yield (
            label,
            f"{fmean(own):.3f}",
            f"{stdev(own):.3f}" if len(own) > 1 else None,
            ", ".join(f"{score:.3f}" for score in own),
            f"{cost.parameters / 1e6:.2f}",
            f"{cost.macs / 1e9:.3f}",
            None if cost.milliseconds is None else f"{cost.milliseconds:.1f}",
            f"{seconds / 60:.1f}",
        )


def _scores(results: Sequence[RunResult], metric: str) -> dict[str, list[float]]:
    """Return each candidate's scores in the order of its runs.

    mmdet reports nothing for a detector that finds nothing: that is a score of 0.
    """
    scores: dict[str, list[float]] = {}
    for run in results:
        scores.setdefault(run.label, []).append(run.metrics.get(metric, 0.0))
    return scores


def _main_metric(results: Sequence[RunResult]) -> str:
    """Return the metric to compare by: box AP if there is any, else mask AP."""
    seen = {metric for run in results for metric in run.metrics}
    return next((metric for metric in METRICS if metric in seen), METRICS[0])


def _runs_table(results: Sequence[RunResult]) -> Table:
    metrics = sorted({metric for run in results for metric in run.metrics})
    rows = [
        (
            *(run.label, run.seed, round(run.seconds, 1)),
            *(run.metrics.get(metric, "") for metric in metrics),
        )
        for run in results
    ]
    return Table.of(("model", "seed", "seconds", *metrics), rows)


def _draw(results: Sequence[RunResult], costs: Mapping[str, Cost], path: Path) -> None:
    metric = _main_metric(results)
    axes = {
        "parameters (M)": {k: cost.parameters / 1e6 for k, cost in costs.items()},
        "GMACs": {label: cost.macs / 1e9 for label, cost in costs.items()},
    }
    measured = {k: c.milliseconds for k, c in costs.items() if c.milliseconds}
    if len(measured) == len(costs):
        axes["latency (ms)"] = measured
    label = f"{metric.rpartition('/')[2]} (bars: lowest to highest seed)"
    draw_tradeoff(_scores(results, metric), axes, label, path)
