"""Measuring exported files against the detector in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from ghostnet_runtime import Detections
from ghostnet_runtime.status_line import StatusLine
from mmdet.structures import DetDataSample

from ...engine.inference.detection import TrainedDetector
from ...measuring.latency import Timing, alternating_times
from ..exported_detector import ExportedDetector
from ..graph.detection_graph import DetectionGraph
from .accuracy import LabelledPictures, coco_scores
from .agreement import Difference, output_differences
from .deploy_card import Latency

# Threads of the runtime before may still be spinning.
SETTLING_CALLS = 3
PYTORCH, PYTORCH_PADDED = "pytorch", "pytorch, padded"

Size = tuple[int, int] | None
Detect = Callable[[np.ndarray], Detections]


def fixed_size(exported: ExportedDetector) -> Size:
    """Return height and width of a file's input; ``None`` for any."""
    return exported.model.description.input.size


def raw_differences(
    graph: DetectionGraph,
    exported: Mapping[str, ExportedDetector],
    pictures: Sequence[np.ndarray],
) -> dict[str, dict[str, Difference]]:
    """Compare raw outputs on real pictures.

    PyTorch computes its outputs once for all files that see the same input. Boxes may
    reach far beyond it where a head decodes sizes by an exponential; the gaps of their
    coordinates are then relative: the last digits of 10^7 px are no pixels.

    Args:
        graph: The detector in PyTorch.
        exported: Files by name.
        pictures: (H, W, 3) uint8 BGR.

    Returns:
        Differences by file and output, without the files whose outputs have no
        counterpart: NMS or preprocessing is part of them, or they have two stages,
        whose rows may swap.
    """
    compared = {
        name: file for name, file in exported.items() if _has_raw_outputs(graph, file)
    }
    parts: dict[str, list[dict[str, Difference]]] = {name: [] for name in compared}
    sizes: dict[str, list[int]] = {name: [] for name in compared}
    for pixels in pictures:
        # Only of one picture at a time: those of a large input take a gigabyte.
        expected: dict[tuple[int, ...], dict[str, np.ndarray]] = {}
        for name, file in compared.items():
            image = file.network_input(pixels)
            if image.shape not in expected:
                expected[image.shape] = _outputs(graph, image)
            mine = expected[image.shape]
            side = max(image.shape[-2:])
            found = output_differences(
                [mine], [file.model.run(image)], dict(boxes=side)
            )
            parts[name].append(found)
            sizes[name].append(image.size)
    return {name: _joined(parts[name], sizes[name]) for name in compared}


def _has_raw_outputs(graph: DetectionGraph, exported: ExportedDetector) -> bool:
    description = exported.model.description
    return (
        description.outputs.form == "candidates"
        and description.input.form == "tensor"
        and not graph.takes_image_sizes
    )


def _outputs(graph: DetectionGraph, image: np.ndarray) -> dict[str, np.ndarray]:
    with torch.no_grad():
        outputs = graph(torch.from_numpy(image))
    return {name: output.numpy() for name, output in outputs.items()}


def _joined(
    parts: Sequence[Mapping[str, Difference]], sizes: Sequence[int]
) -> dict[str, Difference]:
    """Join the differences of pictures; outputs grow with the size of the inputs."""
    return {
        name: Difference(
            # Of numpy: NaN must not get lost.
            float(np.max([part[name].largest for part in parts])),
            float(np.average([part[name].mean for part in parts], weights=sizes)),
        )
        for name in parts[0]
    }


def scores_of_all(
    detectors: Mapping[str, Detect], pictures: LabelledPictures
) -> dict[str, dict[str, float]]:
    """Compute COCO's scores of several detectors, and show how far it is.

    Args:
        detectors: Functions of a (H, W, 3) uint8 BGR picture, by name.
        pictures: Labelled pictures.
    """
    line, total = StatusLine(), len(pictures)

    def show(name: str, done: int) -> None:
        if line.is_due() or done == total:
            line.show(f"COCO scores, {name}: {done}/{total} pictures")

    try:
        return {
            name: coco_scores(pictures, detect, partial(show, name))
            for name, detect in detectors.items()
        }
    finally:
        line.clear()


def latencies(
    detector: TrainedDetector,
    exported: Mapping[str, ExportedDetector],
    picture: np.ndarray,
    rounds: int,
) -> tuple[dict[str, Latency], dict[str, Latency]]:
    """Time all candidates in turns.

    Args:
        detector: The detector in PyTorch.
        exported: Files by name.
        picture: (H, W, 3) uint8 BGR.
        rounds: Timed rounds.

    Returns:
        Latencies of the bare network and from picture to boxes, by name; ``pytorch``
        is mmdet's eager model.
    """
    whole: dict[str, Callable[[], object]] = {
        PYTORCH: partial(detector.detect, picture)
    }
    bare: dict[str, Callable[[], object]] = {}
    for name, file in exported.items():
        image = file.network_input(picture)
        bare[name] = partial(file.model.run, image)
        whole[name] = partial(file.detect, picture)
        if PYTORCH not in bare and file.model.description.input.form == "tensor":
            bare[PYTORCH] = partial(_eager, detector, torch.from_numpy(image))
    return _timed(bare, rounds), _timed(whole, rounds)


def megabytes(files: Sequence[Path]) -> float:
    """Return the size of a model's files in 10^6 bytes."""
    return sum(file.stat().st_size for file in files) / 1e6


def _eager(detector: TrainedDetector, image: torch.Tensor) -> object:
    """Run backbone, neck and head of the model as it was trained."""
    size = tuple(image.shape[-2:])
    sample = DetDataSample(metainfo=dict(img_shape=size, batch_input_shape=size))
    with torch.no_grad():
        return detector.model(image, [sample], mode="tensor")


def _timed(
    passes: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, Latency]:
    times = alternating_times(passes, rounds, settling=SETTLING_CALLS)
    timings = {name: Timing(tuple(each)) for name, each in times.items()}
    return {
        name: Latency(timing.median, timing.p90, rounds)
        for name, timing in timings.items()
    }
