"""A benchmark as a Markdown table, a CSV of every call, and plots."""

import csv
import importlib.metadata
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..measuring.latency import torch_threads
from ..measuring.machine import describe_machine
from ..reporting.tradeoff_plot import draw_tradeoff
from .measuring import Benchmark, medians
from .settings import (
    REST_SECONDS,
    SCOPES,
    SETTLING_CALLS,
    SETTLING_SECONDS,
    BenchmarkSettings,
)

TABLE_NAME = "benchmark.md"
CSV_NAME = "benchmark.csv"
CALLS_NAME = "calls.csv"
PLOT_NAME = "benchmark.png"
TRADEOFF_NAME = "map_latency.png"
LIBRARIES = (
    *("mmdet", "onnxruntime", "openvino", "ncnn", "executorch", "ai-edge-litert"),
    "ghostnet_mm",
)
COLUMNS = (
    *("model", "runs in", "scope", "height", "width", "batch", "threads", "rounds"),
    *("median_ms", "p90_ms", "iqr_ms", "images_per_second", "mAP"),
)


def write_benchmark(
    benchmark: Benchmark,
    settings: BenchmarkSettings,
    pictures: str,
    out_dir: str | Path | None = None,
    scores: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Write table, CSV files and plots, and return the table.

    Args:
        benchmark: What was measured.
        settings: How.
        pictures: Which pictures were used, in words.
        out_dir: The folder; None writes nothing.
        scores: mAP by label, for the column and for the mAP-latency plot.

    Returns:
        The report in Markdown.
    """
    scores = scores or {}
    lines = [
        *header_lines(benchmark, settings, pictures),
        "",
        *table_lines(benchmark, scores),
    ]
    lines += ["", *(f"- {note}" for note in benchmark.notes)] if benchmark.notes else []
    text = "\n".join(lines) + "\n"
    if out_dir is not None:
        folder = Path(out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TABLE_NAME).write_text(text, encoding="utf-8")
        _write_rows(benchmark, settings, scores, folder / CSV_NAME)
        _write_calls(benchmark, folder / CALLS_NAME)
        _draw_times(benchmark, folder / PLOT_NAME)
        _draw_scores(benchmark, scores, folder / TRADEOFF_NAME)
    return text


def library_versions(names: Sequence[str] = LIBRARIES) -> str:
    """Return the versions of those packages that are installed, in one line."""
    found = []
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def header_lines(
    benchmark: Benchmark, settings: BenchmarkSettings, pictures: str
) -> Iterator[str]:
    """Yield what the numbers were taken on, and how."""
    with torch_threads(benchmark.threads):
        yield f"{describe_machine()}, {library_versions()}; {platform.platform()}"
    device = "" if settings.device == "cpu" else f" (PyTorch on {settings.device})"
    settling = f"each after {SETTLING_CALLS} untimed call"
    if settings.isolated:
        settling = (
            f"each in a process of its own, after {1e3 * REST_SECONDS:g} ms of rest "
            f"and {SETTLING_SECONDS:g} s of untimed calls"
        )
    yield (
        f"{settings.rounds} rounds{device}, candidates in turns, {settling}; "
        f"batch {settings.batch}; {pictures}."
    )


def table_lines(
    benchmark: Benchmark, scores: Mapping[str, Sequence[float]] | None = None
) -> Iterator[str]:
    """Yield a Markdown table: fastest first, scope by scope.

    The spread is the interquartile range.
    """
    with_score = bool(scores)
    yield (
        "| model | runs in | scope | input | median (ms) | p90 (ms) | spread (ms) "
        f"| images/s |{' mAP |' if with_score else ''}"
    )
    yield f"|---|---|---|---|---:|---:|---:|---:|{'---:|' if with_score else ''}"
    order = sorted(
        benchmark.rows, key=lambda row: (SCOPES.index(row.scope), row.timing.median)
    )
    for row in order:
        size = "-" if row.size is None else f"{row.size[0]} x {row.size[1]}"
        line = (
            f"| {row.label} | {row.runs_in} | {row.scope} | {size} "
            f"| {row.timing.median:.2f} | {row.timing.p90:.2f} "
            f"| {row.timing.spread:.2f} | {row.timing.images_per_second:.1f} |"
        )
        if with_score:
            score = _mean(scores, row.label)
            line += f" {'-' if score is None else f'{score:.3f}'} |"
        yield line


def _mean(scores: Mapping[str, Sequence[float]], label: str) -> float | None:
    return sum(scores[label]) / len(scores[label]) if label in scores else None


def _write_rows(
    benchmark: Benchmark,
    settings: BenchmarkSettings,
    scores: Mapping[str, Sequence[float]],
    path: Path,
) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in benchmark.rows:
            timing = row.timing
            times = (timing.median, timing.p90, timing.spread)
            score = _mean(scores, row.label)
            writer.writerow(
                [
                    *(row.label, row.runs_in, row.scope, *(row.size or ("", ""))),
                    *(settings.batch, benchmark.threads, len(timing.milliseconds)),
                    *(round(one, 4) for one in (*times, timing.images_per_second)),
                    "" if score is None else score,
                ]
            )


def _write_calls(benchmark: Benchmark, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "scope", "round", "ms"])
        for row in benchmark.rows:
            for index, one in enumerate(row.timing.milliseconds):
                writer.writerow([row.label, row.scope, index + 1, round(one, 4)])


def _draw_times(benchmark: Benchmark, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scopes = list(dict.fromkeys(row.scope for row in benchmark.rows))
    most = max(len(medians(benchmark, scope)) for scope in scopes)
    figure = Figure(
        figsize=(6.4 * len(scopes), 1.2 + 0.45 * most), layout="constrained"
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(scopes), squeeze=False)[0]
    for panel, scope in zip(panels, scopes, strict=True):
        rows = [row for row in benchmark.rows if row.scope == scope]
        rows.sort(key=lambda row: -row.timing.median)
        panel.boxplot(
            [row.timing.milliseconds for row in rows],
            orientation="horizontal",
            whis=(10, 90),
            showfliers=False,
        )
        panel.set_yticks(range(1, len(rows) + 1), [row.label for row in rows])
        panel.set_xlabel(f"{scope}: ms (box: quartiles, whiskers: 10 % to 90 %)")
        panel.set_xlim(left=0)
        panel.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=130)


def _draw_scores(
    benchmark: Benchmark, scores: Mapping[str, Sequence[float]], path: Path
) -> None:
    costs = {}
    for scope in dict.fromkeys(row.scope for row in benchmark.rows):
        times = medians(benchmark, scope)
        known = {label: one for label, one in times.items() if label in scores}
        if known:
            costs[f"{scope} latency (ms)"] = known
    if costs:
        draw_tradeoff(scores, costs, "mAP (bars: lowest to highest)", path)
