"""How far an exported model is from the one in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ghostnet_runtime import Detections


@dataclass(frozen=True)
class Difference:
    """Differences of numbers that should be equal."""

    largest: float
    mean: float


@dataclass(frozen=True)
class DetectionAgreement:
    """Detections of two models on the same pictures, paired by class and place.

    Attributes:
        pairs: Detections that both models have.
        unmatched: Detections of either that the other lacks.
        box: Differences of the coordinates of pairs, in pixels of the picture.
        score: Differences of the scores of pairs.
    """

    pairs: int
    unmatched: int
    box: Difference
    score: Difference


def output_differences(
    expected: Sequence[Mapping[str, np.ndarray]],
    actual: Sequence[Mapping[str, np.ndarray]],
    relative_beyond: Mapping[str, float] | None = None,
) -> dict[str, Difference]:
    """Compare the outputs of two models on the same inputs, by name.

    Args:
        expected: Per input the outputs by name.
        actual: The same of the other model; outputs it lacks are an error.
        relative_beyond: By output, a magnitude of the expected number. Beyond it gaps
            count in proportion: one of 2 at 10 times this magnitude is 0.2.

    Raises:
        ValueError: An output is missing or of another shape, so that no number says
            how far the two are apart.
    """
    differences = {}
    for name in expected[0]:
        gaps = []
        for mine, other in zip(expected, actual, strict=True):
            if name not in other or other[name].shape != mine[name].shape:
                shape = other[name].shape if name in other else None
                raise ValueError(
                    f"output {name} has shape {shape} instead of {mine[name].shape}"
                )
            gaps.append(
                _gaps(mine[name], other[name], (relative_beyond or {}).get(name))
            )
        flat = np.concatenate([one.ravel() for one in gaps])
        # A NaN on one side would otherwise hide.
        differences[name] = Difference(
            float(flat.max()) if flat.size else 0.0,
            float(flat.mean()) if flat.size else 0.0,
        )
    return differences


def _gaps(
    mine: np.ndarray, other: np.ndarray, relative_beyond: float | None
) -> np.ndarray:
    mine, other = np.float64(mine), np.float64(other)
    # inf - inf and inf / inf are NaN, which is no small gap.
    with np.errstate(invalid="ignore"):
        gaps = np.abs(mine - other)
        if relative_beyond is not None:
            gaps /= np.maximum(1, np.abs(mine) / relative_beyond)
    return np.where(mine == other, 0, gaps)


def detection_agreement(
    expected: Sequence[Detections],
    actual: Sequence[Detections],
    score_threshold: float = 0.05,
    least_overlap: float = 0.5,
) -> DetectionAgreement:
    """Pair the detections of two models, best score first.

    A detection of the first is paired with the free one of the second that has the
    same class and overlaps it most, if by at least ``least_overlap`` (IoU). Scores just
    below the threshold count as a pair's other half, not as unmatched.

    Args:
        expected: Detections per picture.
        actual: The other model's, for the same pictures.
        score_threshold: Detections below it on both sides are left out.
        least_overlap: IoU from which two boxes are the same object's.
    """
    box_gaps, score_gaps, unmatched = [], [], 0
    for mine, other in zip(expected, actual, strict=True):
        free = np.ones(len(other.boxes), dtype=bool)
        for index in np.argsort(-mine.scores, kind="stable"):
            if mine.scores[index] < score_threshold:
                break
            overlaps = _overlaps(mine.boxes[index], other.boxes)
            overlaps[~free | (other.labels != mine.labels[index])] = -1
            best = int(overlaps.argmax()) if len(overlaps) else -1
            if best < 0 or overlaps[best] < least_overlap:
                unmatched += 1
                continue
            free[best] = False
            box_gaps.append(np.abs(mine.boxes[index] - other.boxes[best]))
            score_gaps.append(abs(mine.scores[index] - other.scores[best]))
        unmatched += _strays(other, free, mine, score_threshold, least_overlap)
    return DetectionAgreement(
        len(score_gaps),
        unmatched,
        _summary(np.concatenate(box_gaps) if box_gaps else np.zeros(0)),
        _summary(np.asarray(score_gaps)),
    )


def _strays(
    other: Detections,
    free: np.ndarray,
    mine: Detections,
    score_threshold: float,
    least_overlap: float,
) -> int:
    """Count the detections of ``other`` that have no counterpart at any score."""
    weak = mine.scores < score_threshold
    count = 0
    for index in np.flatnonzero(free & (other.scores >= score_threshold)):
        overlaps = _overlaps(other.boxes[index], mine.boxes)
        same = weak & (mine.labels == other.labels[index])
        count += not (same & (overlaps >= least_overlap)).any()
    return count


def _summary(gaps: np.ndarray) -> Difference:
    if not gaps.size:
        return Difference(0.0, 0.0)
    return Difference(float(gaps.max()), float(gaps.mean()))


def _overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the IoU of one box with (N, 4) others."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    union = areas + np.prod(box[2:] - box[:2]) - shared
    return shared / np.maximum(union, 1e-9)
