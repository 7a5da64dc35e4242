"""From a trained detector to INT8 files, measured step by step."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ghostnet_runtime.atomic_writing import finished_folder
from ghostnet_runtime.description import Description

from ..configuration.console import tell
from ..engine.inference.detection import Detector
from ..errors import OptionError
from ..export.card.accuracy import LabelledPictures
from ..export.description import describe
from ..export.exported_detector import ExportedDetector
from ..export.formats.base import ExportJob
from ..export.formats.ncnn import NcnnFormat
from ..export.formats.onnx.format import OnnxFormat
from ..export.graph.detection_graph import DetectionGraph
from ..export.model_files import copy_model
from ..measuring.latency import torch_threads
from ..measuring.machine import describe_machine
from .equalization import equalize
from .ncnn_files import read_layers
from .recipes import DEFAULT_RUNTIMES, NCNN, NcnnRecipe, check_runtimes
from .report import QuantizationReport
from .runtime_steps import DEFAULT_METHODS, FLOAT, Goal, Measuring, RuntimeSteps
from .sensitivity import BlockSensitivity, block_sensitivities

REPORT_JSON, REPORT_TABLE = "quantization.json", "quantization.md"
LIBRARIES = ("onnx", "onnxruntime", "openvino", "nncf", "ncnn", "torch", "mmdet")
# Ranges settle soon, and each picture costs a pass through the interpreter.
EQUALISING_PICTURES = 16


@dataclass(frozen=True)
class QuantizationRequest:
    """What to quantize and how to judge it.

    Attributes:
        calibration: Pictures, (H, W, 3) uint8 BGR.
        labelled: Pictures with labels for mAP; ``None`` judges by the output error.
        runtimes: Names of `recipes.RECIPES`.
        goal: What the result may lose.
        size: Height and width of the input in place of the config's.
        float_names: Layers or blocks that stay in float in any case.
        methods: Ways to choose the ranges of activations that are tried.
        ranking_pictures: How many calibration pictures rank the blocks.
        rounds: Timed rounds; 0 for no latency, and no search by speed.
        threads: Of every runtime.
    """

    calibration: Sequence[np.ndarray]
    labelled: LabelledPictures | None = None
    runtimes: Sequence[str] = DEFAULT_RUNTIMES
    goal: Goal = field(default_factory=Goal)
    size: tuple[int, int] | None = None
    float_names: Sequence[str] = ()
    methods: Sequence[str] = DEFAULT_METHODS
    ranking_pictures: int = 16
    rounds: int = 50
    threads: int | None = None


def quantize_detector(
    detector: Detector,
    out_dir: str | os.PathLike,
    name: str,
    request: QuantizationRequest,
) -> QuantizationReport:
    """Write a detector's INT8 files with a report of every step.

    Everything appears in ``out_dir`` at the end; an error leaves nothing behind. A goal
    that could not be met is in the report's ``missed``.

    Args:
        detector: The detector; it stays as it is.
        out_dir: The folder.
        name: Of the files.
        request: What to quantize and how to judge it.

    Raises:
        UserError: The detector, a runtime or an option is impossible.
    """
    check_runtimes(request.runtimes)
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
    with (
        finished_folder(out_dir) as folder,
        torch_threads(request.threads),
        tempfile.TemporaryDirectory() as scratch,
    ):
        work = Path(scratch)
        sources = _sources(graph, description, work, request)
        images = sources.pop("images")
        exact = ExportedDetector(sources[FLOAT], request.threads)
        ranked = images[: request.ranking_pictures]
        measuring = Measuring(
            ranked,
            [exact.model.run(one) for one in ranked],
            request.labelled,
            request.rounds,
            request.threads,
        )
        ranking = _ranking(sources[FLOAT], images, measuring, request)
        steps, choices, kernels, files, missed = [], {}, {}, {}, {}
        for runtime in request.runtimes:
            run = RuntimeSteps(
                runtime, sources, images, measuring, ranking, work,
                request.goal, request.float_names, request.methods,
            )  # fmt: skip
            steps += run.run()
            if run.choices:
                choices[runtime] = run.choices
            if run.kernels:
                kernels[runtime] = run.kernels
            target = folder / f"{name}.int8{run.suffix}"
            files[runtime] = copy_model(run.result, target).name
            if run.missed:
                missed[runtime] = run.missed
        report = QuantizationReport(
            model=dict(
                name=name,
                config=description.source.config,
                input=f"{description.input.height}x{description.input.width}",
            ),
            machine=dict(
                machine=describe_machine(),
                threads=request.threads or "each runtime's own choice",
                python=platform.python_version(),
                **dict(_versions()),
            ),
            pictures=dict(
                calibrated=len(images),
                ranked=len(ranked),
                scored=len(request.labelled) if request.labelled else 0,
            ),
            goal=request.goal.in_words(request.labelled is not None),
            steps=steps,
            sensitivities=ranking,
            layer_choices=choices,
            kernels=kernels,
            files=files,
            missed=missed,
        )
        report.write(folder / REPORT_JSON, folder / REPORT_TABLE)
    return report


def _sources(
    graph: DetectionGraph,
    description: Description,
    work: Path,
    request: QuantizationRequest,
) -> dict[str, Any]:
    """Export the network as it is and equalized, and prepare the pictures."""
    tell("exporting in float")
    exact, equal = work / "float.onnx", work / "equalized.onnx"
    OnnxFormat().write(ExportJob(graph, description, exact))
    prepare = ExportedDetector(exact, request.threads)
    images = [prepare.network_input(one) for one in request.calibration]
    tensors = [torch.from_numpy(one) for one in images[:EQUALISING_PICTURES]]
    tell("equalizing")
    fixed = graph.fix_size(description.input.size)
    equalized = equalize(fixed, tensors)
    graph.fix_size(None)
    OnnxFormat().write(ExportJob(equalized.fix_size(None), description, equal))
    if NCNN in request.runtimes:
        for one, path in ((graph, exact), (equalized, equal)):
            path = path.with_suffix(NcnnRecipe.suffix)
            NcnnFormat().write(ExportJob(one, description, path))
            read_layers(path)  # what cannot be quantized is refused before long work
    return {FLOAT: exact, "equalized": equal, "images": images}


def _ranking(
    source: Path,
    images: Sequence[np.ndarray],
    measuring: Measuring,
    request: QuantizationRequest,
) -> list[BlockSensitivity]:
    from .onnx_quantization import OnnxQuantizer

    def show(done: int, total: int) -> None:
        if done == total or done % 10 == 0:
            tell(f"sensitivity: {done} of {total} blocks")

    return block_sensitivities(
        OnnxQuantizer(source, images),
        measuring.images,
        measuring.expected,
        threads=request.threads,
        after_each=show,
    )


def _versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
