"""A benchmark as a Markdown table, a CSV of every call, and plots."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from ghostnet_runtime.atomic_writing import finished_file, write_text
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..measuring.latency import torch_threads
from ..measuring.machine import describe_machine, library_versions
from ..reporting.pages import Section
from ..reporting.tables import Table
from ..reporting.tradeoff_plot import draw_tradeoff
from .measuring import Benchmark, BenchmarkRow
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
SHOWN_COLUMNS = (
    *("model", "runs in", "scope", "input", "median (ms)", "p90 (ms)", "spread (ms)"),
    "images/s",
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
    means = {label: fmean(each) for label, each in (scores or {}).items()}
    text = Section(
        "Latency",
        tuple(_how(benchmark, settings, pictures)),
        shown_table(benchmark, means),
        tuple(benchmark.notes),
    ).markdown()
    if out_dir is not None:
        folder = Path(out_dir)
        rows = _all_numbers(benchmark, settings, means)
        write_text(folder / CSV_NAME, Table.of(COLUMNS, rows).csv())
        calls = Table.of(("model", "scope", "round", "ms"), _all_calls(benchmark))
        write_text(folder / CALLS_NAME, calls.csv())
        _draw_times(benchmark, folder / PLOT_NAME)
        _draw_scores(benchmark, scores or {}, folder / TRADEOFF_NAME)
        write_text(folder / TABLE_NAME, text)
    return text


def _how(
    benchmark: Benchmark, settings: BenchmarkSettings, pictures: str
) -> Iterator[str]:
    """Yield what the numbers were taken on, and how."""
    versions = library_versions(LIBRARIES).items()
    libraries = ", ".join(f"{name} {version}" for name, version in versions)
    with torch_threads(benchmark.threads):
        yield f"{describe_machine()}, {libraries}; {platform.platform()}"
    device = "" if settings.device == "cpu" else f" (PyTorch on {settings.device})"
    settling = f"each after {SETTLING_CALLS} untimed call"
    if settings.isolated:
        settling = (
            f"each in a process of its own, after {1e3 * REST_SECONDS:g} ms of rest "
            f"and {SETTLING_SECONDS:g} s of untimed calls"
        )
    yield (
        f"{settings.rounds} rounds{device}, candidates in turns, {settling}; "
        f"batch {settings.batch}; {pictures}. The spread is the interquartile range."
    )


def shown_table(benchmark: Benchmark, means: Mapping[str, float]) -> Table:
    """Return the table for readers: fastest first, scope by scope.

    Args:
        benchmark: What was measured.
        means: mAP by label; without any there is no such column.
    """

    def order(row: BenchmarkRow) -> tuple[int, float]:
        return SCOPES.index(row.scoped.scope), row.timing.median

    def cells(row: BenchmarkRow) -> Iterator[str | None]:
        scoped, timing = row.scoped, row.timing
        yield from (scoped.label, scoped.runs_in, scoped.scope)
        yield f"{scoped.size[0]} x {scoped.size[1]}" if scoped.size else None
        yield from (f"{ms:.2f}" for ms in (timing.median, timing.p90, timing.spread))
        yield f"{timing.images_per_second:.1f}"
        if means:
            yield f"{means[scoped.label]:.3f}" if scoped.label in means else None

    columns = (*SHOWN_COLUMNS, "mAP") if means else SHOWN_COLUMNS
    rows = [tuple(cells(row)) for row in sorted(benchmark.rows, key=order)]
    return Table.of(columns, rows, text_columns=4)


def _all_numbers(
    benchmark: Benchmark, settings: BenchmarkSettings, means: Mapping[str, float]
) -> Iterator[tuple[object, ...]]:
    for row in benchmark.rows:
        scoped, timing = row.scoped, row.timing
        numbers = (timing.median, timing.p90, timing.spread, timing.images_per_second)
        yield (
            *(scoped.label, scoped.runs_in, scoped.scope, *(scoped.size or ("", ""))),
            *(settings.batch, benchmark.threads, len(timing.milliseconds)),
            *(round(number, 4) for number in numbers),
            means.get(scoped.label, ""),
        )


def _all_calls(benchmark: Benchmark) -> Iterator[tuple[object, ...]]:
    for row in benchmark.rows:
        for index, ms in enumerate(row.timing.milliseconds, start=1):
            yield row.scoped.label, row.scoped.scope, index, round(ms, 4)


def _draw_times(benchmark: Benchmark, path: Path) -> None:
    scopes = list(dict.fromkeys(row.scoped.scope for row in benchmark.rows))
    most = max(len(benchmark.times(scope)) for scope in scopes)
    size = (6.4 * len(scopes), 1.2 + 0.45 * most)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(scopes), squeeze=False)[0]
    for panel, scope in zip(panels, scopes, strict=True):
        slowest_first = sorted(
            benchmark.times(scope).items(), key=lambda item: -item[1].median
        )
        panel.boxplot(
            [timing.milliseconds for _, timing in slowest_first],
            orientation="horizontal",
            whis=(10, 90),
            showfliers=False,
        )
        labels = [label for label, _ in slowest_first]
        panel.set_yticks(range(1, len(labels) + 1), labels)
        panel.set_xlabel(f"{scope}: ms (box: quartiles, whiskers: 10 % to 90 %)")
        panel.set_xlim(left=0)
        panel.grid(axis="x", alpha=0.3)
    with finished_file(path) as scratch:
        figure.savefig(scratch, dpi=130)


def _draw_scores(
    benchmark: Benchmark, scores: Mapping[str, Sequence[float]], path: Path
) -> None:
    costs = {}
    for scope in dict.fromkeys(row.scoped.scope for row in benchmark.rows):
        times = benchmark.times(scope)
        known = {label: times[label].median for label in times if label in scores}
        if known:
            costs[f"{scope} latency (ms)"] = known
    if costs:
        draw_tradeoff(scores, costs, "mAP (bars: lowest to highest)", path)
