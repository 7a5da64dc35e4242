"""Measuring exported files against the detector in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..analysis.latency import Timing, alternating_times
from ..engine.detection import Detector
from ..evaluation.shown_objects import Boxes
from .accuracy import LabelledPictures, coco_scores
from .agreement import (
    DetectionAgreement,
    Difference,
    detection_agreement,
    output_differences,
)
from .deploy_card import Latency
from .detection_graph import DetectionGraph
from .exported_detector import ExportedDetector
from .mmdet_reference import padded_inputs

# Threads of the runtime before may still be spinning.
SETTLING_CALLS = 3
PYTORCH, PYTORCH_PADDED = "pytorch", "pytorch, padded"


def raw_differences(
    graph: DetectionGraph, exported: ExportedDetector, pictures: Sequence[np.ndarray]
) -> dict[str, Difference] | None:
    """Compare raw outputs on real pictures.

    Args:
        graph: The detector in PyTorch.
        exported: The exported file.
        pictures: (H, W, 3) uint8 BGR.

    Returns:
        Differences by output; ``None`` where the file's outputs have no counterpart:
        NMS or preprocessing is part of it, or it has two stages, whose rows may swap.
    """
    description = exported.model.description
    if (
        description["outputs"]["form"] != "candidates"
        or description["input"]["form"] != "tensor"
        or graph.takes_image_sizes
    ):
        return None
    expected, actual = [], []
    for pixels in pictures:
        image = exported.network_input(pixels)
        with torch.no_grad():
            outputs = graph(torch.from_numpy(image))
        expected.append({name: one.numpy() for name, one in outputs.items()})
        actual.append(exported.model.run(image))
    return output_differences(expected, actual)


def agreement_with_mmdet(
    expected: Sequence[Boxes],
    exported: ExportedDetector,
    pictures: Sequence[np.ndarray],
) -> DetectionAgreement:
    """Compare final detections with mmdet's on the same pictures."""
    return detection_agreement(expected, [exported.detect(one) for one in pictures])


def scores_of_all(
    detector: Detector,
    exported: Mapping[str, ExportedDetector],
    pictures: LabelledPictures,
    padded_size: tuple[int, int] | None,
    after_each: Callable[[str, int], object],
) -> dict[str, dict[str, float]]:
    """Compute COCO's scores of mmdet's own inference and of every exported file.

    Args:
        detector: The detector in PyTorch.
        exported: Files by name.
        pictures: Labelled pictures.
        padded_size: Also score mmdet with every input padded to this height and width,
            as files of a fixed size have it; ``None`` where that is nothing else.
        after_each: Called with the name and the number of pictures done.

    Returns:
        Scores by name; ``pytorch`` and ``pytorch, padded`` are mmdet's.
    """
    sizes: dict[str, tuple[int, int] | None] = {PYTORCH: None}
    if padded_size is not None:
        sizes[PYTORCH_PADDED] = padded_size
    candidates = dict.fromkeys(sizes, detector.detect)
    candidates |= {name: one.detect for name, one in exported.items()}
    scores = {}
    for name, detect in candidates.items():
        with padded_inputs(detector.model, sizes.get(name)):
            scores[name] = coco_scores(
                pictures, detect, lambda done, name=name: after_each(name, done)
            )
    return scores


def latencies(
    detector: Detector,
    graph: DetectionGraph,
    exported: Mapping[str, ExportedDetector],
    picture: np.ndarray,
    rounds: int,
) -> tuple[dict[str, Latency], dict[str, Latency]]:
    """Time all candidates in turns.

    Args:
        detector: The detector in PyTorch.
        graph: Its graph.
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
        if PYTORCH not in bare and one.model.description["input"]["form"] == "tensor":
            tensor = torch.from_numpy(image)
            bare[PYTORCH] = lambda tensor=tensor: _eager(detector, tensor)
    return _timed(bare, rounds), _timed(whole, rounds)


def megabytes(files: Sequence[Path]) -> float:
    """Return the size of a model's files in 10^6 bytes."""
    return sum(one.stat().st_size for one in files) / 1e6


def _eager(detector: Detector, image: torch.Tensor) -> object:
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
