"""Measuring exported files against the detector in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ghostnet_runtime import Detections

from ...engine.inference.detection import TrainedDetector
from ...measuring.latency import Timing, alternating_times
from ..exported_detector import ExportedDetector
from ..graph.detection_graph import DetectionGraph
from .accuracy import LabelledPictures, coco_scores
from .agreement import (
    DetectionAgreement,
    Difference,
    detection_agreement,
    output_differences,
)
from .deploy_card import Latency

# Threads of the runtime before may still be spinning.
SETTLING_CALLS = 3
PYTORCH, PYTORCH_PADDED = "pytorch", "pytorch, padded"

Size = tuple[int, int] | None


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
        name: one for name, one in exported.items() if _has_raw_outputs(graph, one)
    }
    parts: dict[str, list[dict[str, Difference]]] = {name: [] for name in compared}
    sizes: dict[str, list[int]] = {name: [] for name in compared}
    for pixels in pictures:
        # Only of one picture at a time: those of a large input take a gigabyte.
        expected: dict[tuple[int, ...], dict[str, np.ndarray]] = {}
        for name, one in compared.items():
            image = one.network_input(pixels)
            if image.shape not in expected:
                expected[image.shape] = _outputs(graph, image)
            mine = expected[image.shape]
            side = max(image.shape[-2:])
            found = output_differences([mine], [one.model.run(image)], dict(boxes=side))
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
    return {name: one.numpy() for name, one in outputs.items()}


def _joined(
    parts: Sequence[Mapping[str, Difference]], sizes: Sequence[int]
) -> dict[str, Difference]:
    """Join the differences of pictures; outputs grow with the size of the inputs."""
    return {
        name: Difference(
            # Of numpy: NaN must not get lost.
            float(np.max([one[name].largest for one in parts])),
            float(np.average([one[name].mean for one in parts], weights=sizes)),
        )
        for name in parts[0]
    }


def agreements_with_mmdet(
    references: Mapping[Size, TrainedDetector],
    exported: Mapping[str, ExportedDetector],
    pictures: Sequence[np.ndarray],
) -> dict[str, DetectionAgreement]:
    """Compare final detections with mmdet's on the same pictures, by file.

    Args:
        references: mmdet's detector for each `fixed_size` of the files.
        exported: Files by name.
        pictures: (H, W, 3) uint8 BGR.
    """
    expected: dict[Size, list[Detections]] = {
        size: [one.detect(pixels) for pixels in pictures]
        for size, one in references.items()
    }
    return {
        name: detection_agreement(
            expected[fixed_size(one)], [one.detect(pixels) for pixels in pictures]
        )
        for name, one in exported.items()
    }


def scores_of_all(
    detectors: Mapping[str, Callable[[np.ndarray], Detections]],
    pictures: LabelledPictures,
    after_each: Callable[[str, int], object],
) -> dict[str, dict[str, float]]:
    """Compute COCO's scores of several detectors.

    Args:
        detectors: Functions of a (H, W, 3) uint8 BGR picture, by name.
        pictures: Labelled pictures.
        after_each: Called with the name and the number of pictures done.
    """
    return {
        name: coco_scores(
            pictures, detect, lambda done, name=name: after_each(name, done)
        )
        for name, detect in detectors.items()
    }


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
    whole: dict[str, Callable[[], Any]] = {PYTORCH: lambda: detector.detect(picture)}
    bare: dict[str, Callable[[], Any]] = {}
    for name, one in exported.items():
        image = one.network_input(picture)
        bare[name] = lambda one=one, image=image: one.model.run(image)
        whole[name] = lambda one=one: one.detect(picture)
        if PYTORCH not in bare and one.model.description.input.form == "tensor":
            tensor = torch.from_numpy(image)
            bare[PYTORCH] = lambda tensor=tensor: _eager(detector, tensor)
    return _timed(bare, rounds), _timed(whole, rounds)


def megabytes(files: Sequence[Path]) -> float:
    """Return the size of a model's files in 10^6 bytes."""
    return sum(one.stat().st_size for one in files) / 1e6


def _eager(detector: TrainedDetector, image: torch.Tensor) -> object:
    """Run backbone, neck and head of the model as it was trained."""
    from mmdet.structures import DetDataSample

    size = tuple(image.shape[-2:])
    sample = DetDataSample(metainfo=dict(img_shape=size, batch_input_shape=size))
    with torch.no_grad():
        return detector.model(image, [sample], mode="tensor")


def _timed(passes: Mapping[str, Callable], rounds: int) -> dict[str, Latency]:
    times = alternating_times(passes, rounds, settling=SETTLING_CALLS)
    return {
        name: Latency(Timing(tuple(each)).median, Timing(tuple(each)).p90, len(each))
        for name, each in times.items()
    }
