"""From written files to a deploy card: everything is measured, then judged once."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ghostnet_runtime.backends import open_model
from ghostnet_runtime.description import Description
from ghostnet_runtime.status_line import StatusLine

from ...configuration.console import tell
from ...engine.inference.detection import TrainedDetector
from ...measuring.machine import describe_machine
from ..concat_free_choice import ConcatFreeChoice
from ..exported_detector import ExportedDetector
from ..exported_models import OPENERS
from ..formats.base import ExportFormat, ExportJob
from ..graph.detection_graph import DetectionGraph
from ..graph.resizing import mmdet_feeds_otherwise
from ..model_files import model_files
from .agreement import DetectionAgreement, Difference
from .deploy_card import (
    DeployCard,
    ExportedFormat,
    ExportedModel,
    Latency,
    broken_tolerances,
)
from .export_request import ExportRequest
from .first_divergence import Divergence, ProbedGraph, first_divergence
from .format_measuring import (
    PYTORCH,
    PYTORCH_PADDED,
    agreements_with_mmdet,
    fixed_size,
    latencies,
    megabytes,
    raw_differences,
    scores_of_all,
)
from .mmdet_reference import StableSorts, reference_detector

LIBRARIES = (
    "torch",
    "mmdet",
    "onnx",
    "onnxruntime",
    "openvino",
    "ncnn",
    "executorch",
    "ai-edge-litert",
)


@dataclass(frozen=True)
class WrittenExport:
    """Files of one detector, and what they were written of.

    Attributes:
        detector: mmdet's, with the size that was asked for.
        graph: Its deploy form, which the files' raw outputs are compared with.
        source: What was written: ``graph``, or its concat-free form.
        description: Of the files, dynamic axes and preprocessing apart.
        formats: By name.
        paths: Of the files, by the same names.
        concat_free: Which blocks ``source`` has rewritten; ``None`` for none.
    """

    detector: TrainedDetector
    graph: DetectionGraph
    source: DetectionGraph
    description: Description
    formats: Mapping[str, ExportFormat]
    paths: Mapping[str, Path]
    concat_free: ConcatFreeChoice | None = None


@dataclass(frozen=True)
class _Measurements:
    """What was measured, by name of the file; some also of PyTorch."""

    outputs: Mapping[str, Mapping[str, Difference]]
    detections: Mapping[str, DetectionAgreement]
    scores: Mapping[str, Mapping[str, float]]
    network: Mapping[str, Latency]
    end_to_end: Mapping[str, Latency]


def measured_card(written: WrittenExport, request: ExportRequest) -> DeployCard:
    """Run every file through its own runtime and write down how it does.

    Args:
        written: The files.
        request: How to prove them.
    """
    files = {
        name: ExportedDetector(path, request.threads)
        for name, path in written.paths.items()
    }
    measured = _measurements(written, files, request)
    labelled, description = request.labelled, written.description
    return DeployCard(
        model=ExportedModel(
            name=description.name,
            config=description.source.config,
            classes=len(description.classes),
            input="x".join(map(str, description.input.size or ("any", "any"))),
            parameters=sum(weights.numel() for weights in written.graph.parameters()),
        ),
        machine=dict(
            machine=describe_machine(),
            threads=request.threads or "each runtime's own choice",
            python=platform.python_version(),
            **dict(_installed_versions()),
        ),
        pictures=len(request.pictures),
        scored_pictures=len(labelled) if labelled is not None else 0,
        pytorch=dict(measured.scores.get(PYTORCH, {})),
        pytorch_padded=dict(measured.scores.get(PYTORCH_PADDED, {})),
        tolerances=request.tolerances,
        formats=tuple(
            _entry(written, name, one, measured, request) for name, one in files.items()
        ),
        pytorch_network=measured.network.get(PYTORCH),
        pytorch_end_to_end=measured.end_to_end.get(PYTORCH),
        concat_free=written.concat_free,
    )


def _measurements(
    written: WrittenExport,
    files: Mapping[str, ExportedDetector],
    request: ExportRequest,
) -> _Measurements:
    references = {
        size: reference_detector(written.detector, size)
        for size in {fixed_size(one) for one in files.values()}
    }
    pictures = request.pictures
    tell(f"comparing on {len(pictures)} pictures")
    outputs = raw_differences(written.graph, files, pictures)
    with StableSorts():
        detections = agreements_with_mmdet(references, files, pictures)
    scores: Mapping[str, Mapping[str, float]] = {}
    if request.labelled is not None:
        detectors = {PYTORCH: written.detector.detect}
        fixed = [size for size in references if size is not None]
        if fixed and mmdet_feeds_otherwise(written.description):
            detectors[PYTORCH_PADDED] = references[fixed[0]].detect
        detectors |= {name: one.detect for name, one in files.items()}
        with StableSorts():
            scores = _scores(detectors, request)
    network, end_to_end = {}, {}
    if request.rounds:
        tell(f"timing, {request.rounds} rounds")
        network, end_to_end = latencies(
            written.detector, files, pictures[0], request.rounds
        )
    return _Measurements(outputs, detections, scores, network, end_to_end)


def _entry(
    written: WrittenExport,
    name: str,
    exported: ExportedDetector,
    measured: _Measurements,
    request: ExportRequest,
) -> ExportedFormat:
    outputs, detections = measured.outputs.get(name), measured.detections[name]
    metrics = dict(measured.scores.get(name, {}))
    reference = measured.scores.get(PYTORCH, {})
    if fixed_size(exported) is not None:
        reference = measured.scores.get(PYTORCH_PADDED, reference)
    failures = list(
        broken_tolerances(request.tolerances, outputs, detections, metrics, reference)
    )
    divergence = None
    if failures and outputs is not None:
        image = exported.network_input(request.pictures[0])
        try:
            divergence = find_divergence(
                written.source, written.description, written.formats[name], image
            )
        except Exception as error:
            # Whatever the exporter says of so many outputs: the card comes first.
            reason = str(error).strip().partition("\n")[0]
            failures.append(f"the layer that differs could not be searched: {reason}")
    return ExportedFormat(
        name=name,
        file=written.paths[name].name,
        megabytes=megabytes(model_files(written.paths[name])),
        outputs=outputs,
        detections=detections,
        metrics=metrics,
        network=measured.network.get(name),
        end_to_end=measured.end_to_end.get(name),
        divergence=divergence,
        failures=tuple(failures),
    )


def find_divergence(
    graph: DetectionGraph,
    description: Description,
    one: ExportFormat,
    image: np.ndarray,
) -> Divergence | None:
    """Find the first layer that a format computes otherwise than PyTorch.

    Args:
        graph: The detector in PyTorch.
        description: Its description.
        one: The format, one without NMS.
        image: The network's input that showed the difference.
    """
    example = torch.from_numpy(image)
    height, width = image.shape[-2:]
    fed = replace(description.input, height=height, width=width)
    sized = replace(description, input=fed)

    def run(probed: ProbedGraph, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"probes{one.suffix}"
            one.write(ExportJob(probed, sized, path))
            model = open_model(path, openers=OPENERS)
            return model.run({fed.name: image}, names)

    return first_divergence(graph, example, run)


def _scores(
    detectors: Mapping[str, Any], request: ExportRequest
) -> dict[str, dict[str, float]]:
    line, total = StatusLine(), len(request.labelled)

    def show(name: str, done: int) -> None:
        if line.is_due() or done == total:
            line.show(f"COCO scores, {name}: {done}/{total} pictures")

    try:
        return scores_of_all(detectors, request.labelled, show)
    finally:
        line.clear()


def _installed_versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
