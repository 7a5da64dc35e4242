"""From a trained detector to INT8 files, measured step by step."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from ghostnet_runtime.atomic_writing import finished_folder
from ghostnet_runtime.description import Description

from ..configuration.console import tell
from ..engine.inference.detection import TrainedDetector
from ..errors import OptionError
from ..export.description import describe
from ..export.exported_detector import ExportedDetector
from ..export.formats.base import ExportJob
from ..export.formats.ncnn import NcnnFormat
from ..export.formats.onnx.format import OnnxFormat
from ..export.graph.detection_graph import DetectionGraph
from ..export.model_files import copy_model, finished_model
from ..measuring.latency import torch_threads
from ..measuring.machine import describe_machine, library_versions
from .equalization import equalize
from .report import REPORT_TABLE, QuantizationReport
from .request import QuantizationRequest
from .runtime_steps import FloatSources, RuntimeSteps
from .runtimes.ncnn_files import read_layers
from .runtimes.onnx_quantizer import OnnxQuantizer
from .runtimes.registry import NCNN, QUANTIZERS, check_runtimes, usable_methods
from .sensitivity import BlockSensitivity, block_sensitivities
from .steps import Step, StepMeasuring

LIBRARIES = ("onnx", "onnxruntime", "openvino", "nncf", "ncnn", "torch", "mmdet")
# Ranges settle soon, and each picture costs a pass through the interpreter.
EQUALIZING_PICTURES = 16


def quantize_detector(
    detector: TrainedDetector,
    out_dir: str | os.PathLike[str],
    name: str,
    request: QuantizationRequest,
) -> QuantizationReport:
    """Write a detector's INT8 files with a report of every step.

    The report is written anew after every step, and a runtime's file when its steps are
    done: an interruption or an error leaves what was measured before. A goal that could
    not be met is in the report's ``missed``.

    Args:
        detector: The detector; it stays as it is.
        out_dir: The folder.
        name: Of the files.
        request: What to quantize and how to judge it.

    Raises:
        UserError: The detector, a runtime or an option is impossible.
    """
    check_runtimes(request.runtimes)
    for runtime in request.runtimes:
        usable_methods(runtime, request.methods)  # a mistyped one is told now
    if not request.calibration:
        raise OptionError("There are no pictures to calibrate with; pass --images.")
    graph = DetectionGraph(detector)
    if graph.takes_image_sizes:
        raise OptionError(
            "Two-stage detectors are not quantized: their proposals change with every "
            "rounding; take a one-stage head."
        )
    description = describe(
        detector.model.cfg, graph, detector.class_names, size=request.size, name=name
    )
    with finished_folder(out_dir):
        pass  # A place that cannot be written is told before long work.
    folder = Path(out_dir).expanduser()
    with torch_threads(request.threads), tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        sources = _sources(graph, description, work, request)
        exact = ExportedDetector(sources.as_trained, request.threads)
        ranked = sources.images[: request.ranking_pictures]
        expected = [exact.model.run(image) for image in ranked]
        measuring = StepMeasuring(ranked, expected, request)
        report = _empty_report(name, description, sources, measuring)
        report.sensitivities = _ranking(sources, measuring)
        try:
            for runtime in request.runtimes:
                _quantize_for(runtime, sources, measuring, work, report, folder)
        except KeyboardInterrupt:
            report.notes.append("Interrupted: the last steps were not timed.")
            report.write(folder)
            tell(f"\nmeasured so far: {folder / REPORT_TABLE}")
            raise
    return report


def _quantize_for(
    runtime: str,
    sources: FloatSources,
    measuring: StepMeasuring,
    work: Path,
    report: QuantizationReport,
    folder: Path,
) -> None:
    """Go through a runtime's steps and write its file."""
    before = list(report.steps)

    def keep(steps: Sequence[Step]) -> None:
        report.steps = [*before, *steps]
        report.write(folder)

    run = RuntimeSteps(
        runtime, sources, measuring, report.sensitivities, work, after_step=keep
    )
    run.run()
    quantizer = QUANTIZERS[runtime]
    target = folder / f"{report.model['name']}.int8{quantizer.suffix}"
    with finished_model(target, quantizer.suffix) as scratch:
        copy_model(run.files[-1].path, scratch)
    report.files[runtime] = target.name
    if run.choices:
        report.layer_choices[runtime] = run.choices
    if run.kernels:
        report.kernels[runtime] = run.kernels
    if run.missed:
        report.missed[runtime] = run.missed
    if quantizer.caveat:
        report.notes.append(quantizer.caveat)
    keep(run.steps)


def _empty_report(
    name: str,
    description: Description,
    sources: FloatSources,
    measuring: StepMeasuring,
) -> QuantizationReport:
    request = measuring.request
    return QuantizationReport(
        model=dict(
            name=name,
            config=description.source.config,
            input=f"{description.input.height}x{description.input.width}",
        ),
        machine=dict(
            machine=describe_machine(),
            threads=request.threads or "each runtime's own choice",
            python=platform.python_version(),
            **library_versions(LIBRARIES),
        ),
        pictures=dict(
            calibrated=len(sources.images),
            ranked=len(measuring.images),
            scored=len(request.labelled) if request.labelled else 0,
        ),
        goal=request.goal,
    )


def _sources(
    graph: DetectionGraph,
    description: Description,
    work: Path,
    request: QuantizationRequest,
) -> FloatSources:
    """Export the network as it is and equalized, and prepare the pictures."""
    tell("exporting in float")
    exact, equal = work / "float.onnx", work / "equalized.onnx"
    OnnxFormat().write(ExportJob(graph, description, exact))
    prepare = ExportedDetector(exact, request.threads)
    images = [prepare.network_input(picture) for picture in request.calibration]
    tensors = [torch.from_numpy(image) for image in images[:EQUALIZING_PICTURES]]
    tell("equalizing")
    fixed = graph.fix_size(description.input.size)
    equalized = equalize(fixed, tensors).network
    graph.fix_size(None)
    assert isinstance(equalized, DetectionGraph)
    OnnxFormat().write(ExportJob(equalized.fix_size(None), description, equal))
    if NCNN in request.runtimes:
        for network, path in ((graph, exact), (equalized, equal)):
            path = path.with_suffix(QUANTIZERS[NCNN].suffix)
            NcnnFormat().write(ExportJob(network, description, path))
            read_layers(path)  # what cannot be quantized is refused before long work
    return FloatSources(exact, equal, images)


def _ranking(sources: FloatSources, measuring: StepMeasuring) -> list[BlockSensitivity]:
    def show(done: int, total: int) -> None:
        if done == total or done % 10 == 0:
            tell(f"sensitivity: {done} of {total} blocks")

    return block_sensitivities(
        OnnxQuantizer(sources.as_trained, sources.images),
        measuring.images,
        measuring.expected,
        threads=measuring.request.threads,
        after_each=show,
    )
