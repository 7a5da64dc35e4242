"""The table of ``tools/quantize.py``: every step, before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..export.card.deploy_card import MAIN_METRICS, Latency
from .kernel_times import KernelTime
from .output_error import OutputError
from .sensitivity import BlockSensitivity

REPORT_FORMAT = "ghostnet_mm.quantization/1"
HEADERS = (
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


@dataclass(frozen=True)
class Step:
    """One file of one runtime, measured.

    Attributes:
        runtime: Its name.
        name: What was done, such as ``plain`` or ``equalized``.
        detail: Words on how.
        megabytes: Size of the file, weights included.
        metrics: COCO scores by name; empty where there are no labels.
        error: Against the network in float.
        float_layers: Names of the convolutions that stayed in float.
        latency: Of the network alone; ``None`` where not measured.
        times_faster: Than FP32 in the same runtime, round by round: median, lower and
            upper quartile.
    """

    runtime: str
    name: str
    detail: str
    megabytes: float
    metrics: Mapping[str, float]
    error: OutputError
    float_layers: tuple[str, ...]
    latency: Latency | None = None
    times_faster: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class QuantizationReport:
    """All steps of all runtimes.

    Attributes:
        model: Name, config, input size and the like.
        machine: Processor, threads and library versions.
        pictures: How many calibrated, ranked and were scored.
        goal: In words, what the search tried to keep.
        steps: In order; the first of each runtime is FP32, the last is the result.
        sensitivities: Of blocks, the worst first.
        layer_choices: By runtime, milliseconds of the sets of layers that were tried.
        kernels: By runtime and step, where the time goes.
        files: The result by runtime.
        missed: By runtime whose result misses the goal, a sentence.
    """

    model: Mapping[str, Any]
    machine: Mapping[str, Any]
    pictures: Mapping[str, int]
    goal: str
    steps: Sequence[Step]
    sensitivities: Sequence[BlockSensitivity]
    layer_choices: Mapping[str, Mapping[str, float]]
    kernels: Mapping[str, Mapping[str, Sequence[KernelTime]]]
    files: Mapping[str, str]
    missed: Mapping[str, str]
    format: str = field(default=REPORT_FORMAT)

    def write(self, json_path: Path, markdown_path: Path) -> None:
        """Write the report as JSON and as Markdown."""
        text = json.dumps(asdict(self), indent=1)
        json_path.write_text(f"{text}\n", encoding="utf-8")
        markdown_path.write_text(markdown(self), encoding="utf-8")


def table_rows(report: QuantizationReport) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the table."""
    reference: dict[str, Step] = {}
    for step in report.steps:
        first = reference.setdefault(step.runtime, step)
        name = f"{step.name} ({step.detail})" if step.detail else step.name
        speed = "-"
        if step.times_faster is not None:
            speed = "{:.2f} ({:.2f} to {:.2f})".format(*step.times_faster)
        yield (
            step.runtime,
            name,
            f"{step.megabytes:.2f}",
            _points(step.metrics),
            _lost(first.metrics, step.metrics),
            f"{step.error.total:.4f}",
            _milliseconds(step.latency),
            speed,
            str(len(step.float_layers)) if step.float_layers else "-",
        )


def markdown_table(report: QuantizationReport) -> str:
    """Return the table in Markdown."""
    lines = [HEADERS, ("---", "---", *["---:"] * (len(HEADERS) - 2))]
    lines += table_rows(report)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def markdown(report: QuantizationReport) -> str:
    """Return the whole report in Markdown."""
    parts = [
        f"# INT8: {report.model['name']}",
        f"Goal: {report.goal}. Points lost are of mAP, against FP32 in the same "
        "runtime. Output error: mean change of the score plus one minus the IoU, over "
        "the 100 best candidates of a picture. Latency: the network with decoding, one "
        "picture at a time, all files of a runtime in turns.",
        markdown_table(report),
    ]
    if report.missed:
        parts.append("## Missed\n\n" + _bullets(report.missed.values()))
    parts.append("## In float in the result\n\n" + _bullets(_kept(report)))
    for runtime, tried in report.layer_choices.items():
        lines = (f"{name}: {ms:.2f} ms" for name, ms in tried.items())
        parts.append(f"## Which layers to quantize, {runtime}\n\n{_bullets(lines)}")
    for runtime, profiled in report.kernels.items():
        parts.append(f"## Where the time goes, {runtime}\n\n{_kernel_table(profiled)}")
    parts.append("## Sensitivity: one block in INT8, all others in float")
    lines = [
        "| block | score | 1 - IoU | signal to noise (dB) |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {one.block} | {one.error.score:.4f} | {one.error.overlap:.4f} | "
        f"{_decibels(one.error.decibels)} |"
        for one in report.sensitivities
    ]
    parts.append("\n".join(lines))
    facts = {**report.model, **report.machine, **report.pictures}
    parts.append(
        "## How it was measured\n\n" + _bullets(f"{k}: {v}" for k, v in facts.items())
    )
    return "\n\n".join(parts) + "\n"


def _kept(report: QuantizationReport) -> Iterator[str]:
    names = [name for one in report.sensitivities for name in one.layers]
    for runtime in report.files:
        steps = [one for one in report.steps if one.runtime == runtime]
        if steps:
            kept = whole_parts(steps[-1].float_layers, names)
            yield f"{runtime}: {', '.join(kept) or 'no convolution'}"


def whole_parts(chosen: Sequence[str], names: Sequence[str]) -> list[str]:
    """Shorten a list of layers: a part of which all are chosen stands for them.

    Args:
        chosen: Names of layers.
        names: Those of all layers.
    """
    chosen_set, short = set(chosen), set()
    for name in chosen:
        words = name.split(".")
        for length in range(1, len(words) + 1):
            part = ".".join(words[:length])
            inside = {one for one in names if one == part or one.startswith(f"{part}.")}
            if inside <= chosen_set:
                short.add(part)
                break
    return sorted(short)


def _kernel_table(profiled: Mapping[str, Sequence[KernelTime]]) -> str:
    """Return microseconds and numbers of kernels, a column for each step."""
    cells = {
        step: {one.kind: f"{one.microseconds:.0f} ({one.count})" for one in kernels}
        for step, kernels in profiled.items()
    }
    kinds = dict.fromkeys(one.kind for kernels in profiled.values() for one in kernels)
    lines = [
        f"| us (kernels) | {' | '.join(cells)} |",
        f"|---|{'---:|' * len(cells)}",
    ]
    for kind in kinds:
        row = " | ".join(found.get(kind, "-") for found in cells.values())
        lines.append(f"| {kind} | {row} |")
    return "\n".join(lines)


def _bullets(lines: Any) -> str:
    return "\n".join(f"- {one}" for one in lines)


def _points(metrics: Mapping[str, float]) -> str:
    values = [f"{metrics[name]:.3f}" for name in MAIN_METRICS if name in metrics]
    return " / ".join(values) or "-"


def _lost(reference: Mapping[str, float], metrics: Mapping[str, float]) -> str:
    values = [
        f"{100 * (reference[name] - metrics[name]):.1f}"
        for name in MAIN_METRICS
        if name in metrics
    ]
    return " / ".join(values) or "-"


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _milliseconds(latency: Latency | None) -> str:
    return "-" if latency is None else f"{latency.median:.2f} / {latency.p90:.2f}"
