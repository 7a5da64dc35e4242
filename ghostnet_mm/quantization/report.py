"""The report of ``ghostnet quantize``: every step, before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ghostnet_runtime.atomic_writing import write_text

from ..export.card.deploy_card import MAIN_METRICS
from ..reporting.pages import Line, Section, markdown_page, render_page
from ..reporting.tables import Table
from .chart import tradeoff_pictures
from .kernel_times import KernelTime
from .request import Goal
from .sensitivity import BlockSensitivity
from .steps import Step

REPORT_FORMAT = "ghostnet_mm.quantization/2"
REPORT_JSON, REPORT_TABLE = "quantization.json", "quantization.md"
REPORT_PAGE = "quantization.html"
COLUMNS = (
    "runtime",
    "step",
    "MB",
    "mAP",
    "points lost",
    "output error",
    "ms (median / p90)",
    "times as fast (quartiles)",
    "convolutions in float",
)
HOW_TO_READ = (
    "Points lost are of mAP, against FP32 in the same runtime. Output error: mean "
    "change of the score plus one minus the IoU, over the 100 best candidates of a "
    "picture. Latency: the network with decoding, one picture at a time, all files of "
    "a runtime in turns."
)


@dataclass
class QuantizationReport:
    """All steps of all runtimes, as far as they have come.

    Attributes:
        model: Name, config and input size.
        machine: Processor, threads and library versions.
        pictures: How many calibrated, ranked and were scored.
        goal: What the search tried to keep.
        steps: In order; the first of each runtime is FP32, the last is the result.
        sensitivities: Of blocks, the worst first.
        layer_choices: By runtime, milliseconds of the sets of layers that were tried.
        kernels: By runtime and step, where the time goes.
        files: The result by runtime.
        missed: By runtime whose result misses the goal, a sentence.
        notes: Sentences that whoever uses the files has to know.
    """

    model: Mapping[str, str | None]
    machine: Mapping[str, str | int]
    pictures: Mapping[str, int]
    goal: Goal
    steps: list[Step] = field(default_factory=list)
    sensitivities: list[BlockSensitivity] = field(default_factory=list)
    layer_choices: dict[str, Mapping[str, float]] = field(default_factory=dict)
    kernels: dict[str, Mapping[str, Sequence[KernelTime]]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    missed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    format: str = REPORT_FORMAT

    @property
    def title(self) -> str:
        """Of the report."""
        return f"INT8: {self.model['name']}"

    def write(self, folder: Path) -> None:
        """Write the report as JSON, in Markdown and as a page."""
        sections = list(sections_of(self))
        words = markdown_page([each for each in sections if not each.pictures])
        write_text(folder / REPORT_JSON, json.dumps(asdict(self), indent=1) + "\n")
        write_text(folder / REPORT_TABLE, f"# {self.title}\n\n{words}")
        write_text(folder / REPORT_PAGE, render_page(self.title, sections))


def steps_table(report: QuantizationReport) -> Table:
    """Return the table of all steps."""
    exact: dict[str, Step] = {}
    for step in report.steps:
        exact.setdefault(step.runtime, step)
    rows = [
        (
            step.runtime,
            step.title,
            f"{step.megabytes:.2f}",
            _points(step.metrics),
            _points(exact[step.runtime].metrics, step.metrics),
            f"{step.error.total:.4f}",
            step.latency and f"{step.latency.median:.2f} / {step.latency.p90:.2f}",
            step.times_faster,
            len(step.float_layers) or None,
        )
        for step in report.steps
    ]
    return Table.of(COLUMNS, rows, text_columns=2)


def sections_of(report: QuantizationReport) -> Iterator[Section]:
    """Yield what a reader is told, in order."""
    goal = report.goal.in_words(labelled=bool(report.pictures.get("scored")))
    yield Section(
        "Result", (f"Goal: {goal}.", *_results(report)), items=tuple(report.notes)
    )
    pictures = tuple(tradeoff_pictures(report.steps, report.goal))
    if pictures:
        yield Section("Accuracy against latency", pictures=pictures)
    yield Section("Steps", (HOW_TO_READ,), steps_table(report))
    if report.files:
        yield Section("In float in the result", items=tuple(_kept(report)))
    for runtime, tried in report.layer_choices.items():
        yield Section(
            f"Which layers to quantize, {runtime}",
            facts={name: f"{ms:.2f} ms" for name, ms in tried.items()},
        )
    for runtime, profiled in report.kernels.items():
        table = _kernel_table(profiled)
        yield Section(f"Where the time goes, {runtime}", table=table)
    yield Section(
        "Sensitivity: one block in INT8, all others in float",
        table=Table.of(
            ("block", "score", "1 - IoU", "signal to noise (dB)"),
            [
                (
                    block.block,
                    f"{block.error.score:.4f}",
                    f"{block.error.overlap:.4f}",
                    None
                    if block.error.decibels is None
                    else f"{block.error.decibels:.1f}",
                )
                for block in report.sensitivities
            ],
        ),
    )
    facts = {**report.model, **report.machine, **report.pictures}
    yield Section("How it was measured", facts=facts)


def _results(report: QuantizationReport) -> Iterator[Line]:
    """Yield a sentence for each file, and one for what it misses."""
    for runtime, file in report.files.items():
        exact, *_, last = [step for step in report.steps if step.runtime == runtime]
        parts = [f"{last.megabytes:.2f} MB instead of {exact.megabytes:.2f}"]
        if last.metrics:
            parts.append(
                f"mAP {_points(last.metrics)} instead of {_points(exact.metrics)}"
            )
        parts.append(f"output error {last.error.total:.4f}")
        if last.times_faster is not None:
            parts.append(f"{last.times_faster} times as fast as FP32")
        missed = report.missed.get(runtime)
        yield Line(f"{runtime}, {file}: {', '.join(parts)}.", "" if missed else "good")
        if missed:
            yield Line(f"Goal missed. {missed}", "bad")


def _kept(report: QuantizationReport) -> Iterator[str]:
    names = [name for block in report.sensitivities for name in block.layers]
    results = {step.runtime: step for step in report.steps}
    for runtime in report.files:
        kept = whole_parts(results[runtime].float_layers, names)
        yield f"{runtime}: {', '.join(kept) or 'no convolution'}"


def whole_parts(chosen: Sequence[str], names: Sequence[str]) -> list[str]:
    """Shorten a list of layers: a part of which all are chosen stands for them.

    Args:
        chosen: Names of layers.
        names: Those of all layers.
    """
    short = set()
    for name in chosen:
        words = name.split(".")
        for length in range(1, len(words) + 1):
            part = ".".join(words[:length])
            if {n for n in names if f"{n}.".startswith(f"{part}.")} <= set(chosen):
                short.add(part)
                break
    return sorted(short)


def _kernel_table(profiled: Mapping[str, Sequence[KernelTime]]) -> Table:
    """Return microseconds and numbers of kernels, a column for each step."""
    cells = {
        (step, each.kind): f"{each.microseconds:.0f} ({each.count})"
        for step, kernels in profiled.items()
        for each in kernels
    }
    rows = [
        (kind, *(cells.get((step, kind)) for step in profiled))
        for kind in dict.fromkeys(kind for _, kind in cells)
    ]
    return Table.of(("us (kernels)", *profiled), rows)


def _points(
    metrics: Mapping[str, float], others: Mapping[str, float] | None = None
) -> str | None:
    """Return scores, or how many points others lose."""
    values = [
        f"{metrics[name]:.3f}"
        if others is None
        else f"{100 * (metrics[name] - others[name]):.1f}"
        for name in MAIN_METRICS
        if name in metrics
    ]
    return " / ".join(values) or None
