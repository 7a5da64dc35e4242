"""From a trained detector to files with a deploy card."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..analysis.latency import torch_threads
from ..analysis.machine import describe_machine
from ..configuration.console import tell
from ..engine.detection import Detector
from ..engine.finished_folder import finished_folder
from ..engine.status_line import StatusLine
from ..evaluation.shown_objects import Boxes
from .accuracy import LabelledPictures
from .card_page import card_page
from .deploy_card import DeployCard, ExportedFormat, Tolerances, broken_tolerances
from .description import describe
from .detection_graph import DetectionGraph
from .export_formats import ExportFormat, chosen_formats, model_files
from .exported_detector import ExportedDetector, require_runtime
from .exported_models import open_exported
from .first_divergence import Divergence, first_divergence
from .format_measuring import (
    PYTORCH,
    PYTORCH_PADDED,
    agreement_with_mmdet,
    latencies,
    megabytes,
    raw_differences,
    scores_of_all,
)
from .mmdet_reference import padded_inputs, resized_detector

CARD_JSON, CARD_PAGE = "deploy_card.json", "deploy_card.html"
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
class ExportRequest:
    """What to export and how to prove it.

    Attributes:
        formats: Names of `export_formats.FORMATS`; ``None`` for all that are installed.
        size: Height and width of the input in place of the config's.
        onnx_options: Of `export_onnx`: dynamic axes, preprocessing in the graph.
        pictures: Real pictures for the differences, (H, W, 3) uint8 BGR.
        labelled: Pictures with labels for the COCO scores; ``None`` for none.
        rounds: Timed rounds; 0 for no latency.
        threads: Of every runtime.
        tolerances: Differences beyond these are failures.
    """

    formats: Sequence[str] | None
    pictures: Sequence[np.ndarray]
    labelled: LabelledPictures | None = None
    size: tuple[int, int] | None = None
    onnx_options: Mapping[str, bool] = field(default_factory=dict)
    rounds: int = 50
    threads: int | None = None
    tolerances: Tolerances = field(default_factory=Tolerances)


def export_detector(
    detector: Detector, out_dir: str | os.PathLike, name: str, request: ExportRequest
) -> DeployCard:
    """Export a detector, measure every file, and write the deploy card.

    Everything appears in ``out_dir`` at the end; an error leaves nothing behind.
    Tolerances that were not kept are in the card's ``failures``, and the files are
    there for a look.

    Args:
        detector: The detector; it stays as it is.
        out_dir: The folder.
        name: Of the files.
        request: What to export and how to prove it.

    Raises:
        UserError: The detector, a format or an option is impossible.
    """
    require_runtime()
    graph = DetectionGraph(detector)
    detector = resized_detector(detector, request.size)
    description = describe(
        detector.model.cfg, graph, detector.class_names, size=request.size, name=name
    )
    formats, left_out = chosen_formats(
        request.formats,
        two_stages=graph.takes_image_sizes,
        masks=description["task"] == "instance_segmentation",
        any_size=description["input"]["height"] is None,
    )
    for reason in left_out.values():
        tell(f"left out: {reason}")
    example = _example(description)
    with finished_folder(out_dir) as folder, torch_threads(request.threads):
        files = {}
        for one in formats:
            tell(f"writing {one.name}")
            files[one.name] = folder / f"{name}{one.suffix}"
            one.write(
                graph, description, files[one.name], example, request.onnx_options
            )
        card = _measured(
            detector, graph, description, dict(zip(files, formats, strict=True)),
            files, request,
        )  # fmt: skip
        card.write_json(folder / CARD_JSON)
        (folder / CARD_PAGE).write_text(card_page(card), encoding="utf-8")
    return card


def _measured(
    detector: Detector,
    graph: DetectionGraph,
    description: Mapping[str, Any],
    formats: Mapping[str, ExportFormat],
    files: Mapping[str, Path],
    request: ExportRequest,
) -> DeployCard:
    exported = {
        name: ExportedDetector(path, request.threads) for name, path in files.items()
    }
    tell(f"comparing on {len(request.pictures)} pictures")
    sizes = {name: _fixed_size(one) for name, one in exported.items()}
    expected = {
        size: _reference_detections(detector, request.pictures, size)
        for size in set(sizes.values())
    }
    entries = {
        name: ExportedFormat(
            name,
            files[name].name,
            megabytes(model_files(files[name])),
            raw_differences(graph, one, request.pictures),
            agreement_with_mmdet(expected[sizes[name]], one, request.pictures),
            {},
        )
        for name, one in exported.items()
    }
    scores: Mapping[str, Mapping[str, float]] = {}
    if request.labelled is not None:
        pads = description["resize"]["pad"] == "divisor"
        padded = next((one for one in sizes.values() if one and pads), None)
        scores = _scores(detector, exported, request.labelled, padded)
    bare, whole = {}, {}
    if request.rounds:
        tell(f"timing, {request.rounds} rounds")
        bare, whole = latencies(
            detector, graph, exported, request.pictures[0], request.rounds
        )
    for name, entry in entries.items():
        metrics = dict(scores.get(name, {}))
        failures = tuple(
            broken_tolerances(
                request.tolerances,
                entry.outputs,
                entry.detections,
                metrics,
                _reference_scores(scores, sizes[name]),
            )
        )
        divergence = None
        if failures and entry.outputs is not None:
            image = exported[name].network_input(request.pictures[0])
            try:
                divergence = find_divergence(graph, description, formats[name], image)
            except Exception as error:
                # Whatever the exporter says of so many outputs: the card comes first.
                reason = str(error).strip().partition("\n")[0]
                failures += (f"the layer that differs could not be searched: {reason}",)
        entries[name] = replace(
            entry,
            metrics=metrics,
            network=bare.get(name),
            end_to_end=whole.get(name),
            divergence=divergence,
            failures=failures,
        )
    labelled = request.labelled
    return DeployCard(
        model=dict(
            name=description["name"],
            config=description["source"]["config"],
            classes=len(description["classes"]),
            input="x".join(
                str(description["input"][side] or "any") for side in ("height", "width")
            ),
            parameters=sum(one.numel() for one in graph.parameters()),
        ),
        machine=dict(
            machine=describe_machine(),
            threads=request.threads or "each runtime's own choice",
            python=platform.python_version(),
            **dict(_installed_versions()),
        ),
        pictures=len(request.pictures),
        scored_pictures=len(labelled) if labelled is not None else 0,
        pytorch=dict(scores.get(PYTORCH, {})),
        pytorch_padded=dict(scores.get(PYTORCH_PADDED, {})),
        tolerances=request.tolerances,
        formats=tuple(entries.values()),
        pytorch_network=bare.get(PYTORCH),
        pytorch_end_to_end=whole.get(PYTORCH),
    )


def find_divergence(
    graph: DetectionGraph,
    description: Mapping[str, Any],
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
    entry = {**description["input"], "height": height, "width": width}

    def run(probed: torch.nn.Module, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        outputs = {**description["outputs"], "names": names}
        probes = {**description, "input": entry, "outputs": outputs}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"probes{one.suffix}"
            one.write(probed, probes, path, example, {})
            return open_exported(path).run(image)

    return first_divergence(graph, example, run)


def _fixed_size(exported: ExportedDetector) -> tuple[int, int] | None:
    entry = exported.model.description["input"]
    return None if entry["height"] is None else (entry["height"], entry["width"])


def _reference_detections(
    detector: Detector, pictures: Sequence[np.ndarray], size: tuple[int, int] | None
) -> list[Boxes]:
    with padded_inputs(detector.model, size):
        return [detector.detect(one) for one in pictures]


def _reference_scores(
    scores: Mapping[str, Mapping[str, float]], size: tuple[int, int] | None
) -> Mapping[str, float]:
    own = scores.get(PYTORCH, {})
    return own if size is None else scores.get(PYTORCH_PADDED, own)


def _scores(
    detector: Detector,
    exported: Mapping[str, ExportedDetector],
    labelled: LabelledPictures,
    padded_size: tuple[int, int] | None,
) -> dict[str, dict[str, float]]:
    line = StatusLine()

    def show(name: str, done: int) -> None:
        if line.is_due() or done == len(labelled):
            line.show(f"COCO scores, {name}: {done}/{len(labelled)} pictures")

    try:
        return scores_of_all(detector, exported, labelled, padded_size, show)
    finally:
        line.clear()


def _example(description: Mapping[str, Any]) -> torch.Tensor:
    entry = description["input"]
    step = entry["size_divisor"]
    generator = torch.Generator().manual_seed(0)
    return torch.randn(
        1,
        3,
        entry["height"] or 10 * step,
        entry["width"] or 10 * step,
        generator=generator,
    )


def _installed_versions() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
