"""From written files to a deploy card: everything is measured, then judged once."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ghostnet_runtime import Detections
from ghostnet_runtime.backends import open_model
from ghostnet_runtime.description import Description

from ...configuration.console import tell
from ...engine.inference.detection import TrainedDetector
from ...errors import DataError
from ...measuring.machine import describe_machine, library_versions
from ...reporting.pages import Section
from ..concat_free_choice import ConcatFreeChoice
from ..exported_detector import ExportedDetector
from ..exported_models import OPENERS
from ..formats.base import ExportFormat, ExportJob
from ..graph.detection_graph import DetectionGraph
from ..graph.resizing import mmdet_feeds_otherwise
from ..model_files import model_files
from .agreement import DetectionAgreement, Difference, detection_agreement
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
    Detect,
    Size,
    fixed_size,
    latencies,
    megabytes,
    raw_differences,
    scores_of_all,
)
from .mmdet_reference import StableSorts, objects_of, reference_detector
from .sightings import look, photo_sections

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


class _MeasuredFile(ExportedDetector):
    """An exported file that finds nothing where it computes no numbers.

    Attributes:
        problem: What was wrong then, or empty.
    """

    def __init__(self, path: Path, threads: int | None, class_names: Sequence[str]):
        super().__init__(path, threads)
        self.class_names = class_names
        self.problem = ""

    def detect(self, pixels: np.ndarray) -> Detections:
        try:
            return super().detect(pixels)
        except DataError as error:
            # A card that says so is worth more than none.
            self.problem = str(error).partition(":")[0]
            return Detections.none(self.class_names)


@dataclass(frozen=True)
class _Measurements:
    """What was measured, by name of the file; some also of PyTorch."""

    outputs: Mapping[str, Mapping[str, Difference]]
    detections: Mapping[str, DetectionAgreement]
    photos: Sequence[Section]
    scores: Mapping[str, Mapping[str, float]]
    network: Mapping[str, Latency]
    end_to_end: Mapping[str, Latency]


def measured_card(
    written: WrittenExport, request: ExportRequest
) -> tuple[DeployCard, Sequence[Section]]:
    """Run every file through its own runtime and write down how it does.

    Args:
        written: The files.
        request: How to prove them.

    Returns:
        The card, and what its page shows of the photos.
    """
    files = {
        name: _MeasuredFile(path, request.threads, written.detector.class_names)
        for name, path in written.paths.items()
    }
    measured = _measurements(written, files, request)
    labelled, description = request.labelled, written.description
    card = DeployCard(
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
            **library_versions(LIBRARIES),
        ),
        pictures=len(request.pictures),
        scored_pictures=len(labelled) if labelled is not None else 0,
        pytorch=measured.scores.get(PYTORCH, {}),
        pytorch_padded=measured.scores.get(PYTORCH_PADDED, {}),
        tolerances=request.tolerances,
        formats=tuple(
            _entry(written, name, file, measured, request)
            for name, file in files.items()
        ),
        pytorch_network=measured.network.get(PYTORCH),
        pytorch_end_to_end=measured.end_to_end.get(PYTORCH),
        concat_free=written.concat_free,
    )
    return card, measured.photos


def _measurements(
    written: WrittenExport,
    files: Mapping[str, _MeasuredFile],
    request: ExportRequest,
) -> _Measurements:
    sizes = {name: fixed_size(file) for name, file in files.items()}
    references = {
        size: reference_detector(written.detector, size) for size in set(sizes.values())
    }
    pictures = request.pictures
    tell(f"comparing on {len(pictures)} pictures")
    outputs = raw_differences(written.graph, files, pictures)
    with StableSorts():
        expected = {
            size: look(objects_of(reference), pictures)
            for size, reference in references.items()
        }
        seen = {
            name: look(file.detect, pictures, expected[sizes[name]])
            for name, file in files.items()
        }
    scores: Mapping[str, Mapping[str, float]] = {}
    if request.labelled is not None:
        detectors: dict[str, Detect] = {PYTORCH: objects_of(written.detector)}
        fixed = [size for size in references if size is not None]
        if fixed and mmdet_feeds_otherwise(written.description):
            detectors[PYTORCH_PADDED] = objects_of(references[fixed[0]])
        detectors |= {name: file.detect for name, file in files.items()}
        with StableSorts():
            scores = scores_of_all(detectors, request.labelled)
    network: Mapping[str, Latency] = {}
    end_to_end: Mapping[str, Latency] = {}
    if request.rounds:
        tell(f"timing, {request.rounds} rounds")
        network, end_to_end = latencies(
            written.detector, files, pictures[0], request.rounds
        )
    return _Measurements(
        outputs=outputs,
        detections={
            name: detection_agreement(expected[sizes[name]].found, sighting.found)
            for name, sighting in seen.items()
        },
        photos=photo_sections(
            {_fed(size): sighting for size, sighting in expected.items()},
            {name: (_fed(sizes[name]), sighting) for name, sighting in seen.items()},
            request.tolerances,
        ),
        scores=scores,
        network=network,
        end_to_end=end_to_end,
    )


def _fed(size: Size) -> str:
    return "mmdet" if size is None else f"mmdet fed {size[0]}x{size[1]}"


def _entry(
    written: WrittenExport,
    name: str,
    exported: _MeasuredFile,
    measured: _Measurements,
    request: ExportRequest,
) -> ExportedFormat:
    outputs, detections = measured.outputs.get(name), measured.detections[name]
    metrics = measured.scores.get(name, {})
    reference = measured.scores.get(PYTORCH, {})
    if fixed_size(exported) is not None:
        reference = measured.scores.get(PYTORCH_PADDED, reference)
    failures = list(
        broken_tolerances(request.tolerances, outputs, detections, metrics, reference)
    )
    failures += [exported.problem] if exported.problem else []
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
    exporter: ExportFormat,
    image: np.ndarray,
) -> Divergence | None:
    """Find the first layer that a format computes otherwise than PyTorch.

    Args:
        graph: The detector in PyTorch.
        description: Its description.
        exporter: The format, one without NMS.
        image: The network's input that showed the difference.
    """
    example = torch.from_numpy(image)
    height, width = image.shape[-2:]
    fed = replace(description.input, height=height, width=width)
    sized = replace(description, input=fed)

    def run(probed: ProbedGraph, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"probes{exporter.suffix}"
            exporter.write(ExportJob(probed, sized, path))
            model = open_model(path, openers=OPENERS)
            return model.run({fed.name: image}, names)

    return first_divergence(graph, example, run)
