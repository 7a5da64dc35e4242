"""How far an exported model is from the one in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ghostnet_runtime import Detections
from torchvision.ops import box_iou

SCORE_THRESHOLD = 0.05
LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class Difference:
    """Differences of numbers that should be equal."""

    largest: float
    mean: float

    @classmethod
    def of(cls, gaps: Sequence[np.ndarray]) -> Difference:
        """Summarize gaps of any shapes; a NaN is not lost."""
        flat = np.concatenate([np.zeros(0), *(gap.ravel() for gap in gaps)])
        return (
            cls(float(flat.max()), float(flat.mean())) if flat.size else cls(0.0, 0.0)
        )


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


@dataclass(frozen=True)
class Pairing:
    """Which detections of a picture two models share; indices into theirs.

    Attributes:
        first: Of the first model those that the second has too, best first.
        second: Their counterparts.
        missing: Of the first those that the second lacks.
        surplus: Of the second those that the first lacks.
    """

    first: np.ndarray
    second: np.ndarray
    missing: np.ndarray
    surplus: np.ndarray


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
            beyond = (relative_beyond or {}).get(name)
            gaps.append(_gaps(mine[name], other[name], beyond))
        differences[name] = Difference.of(gaps)
    return differences


def _gaps(
    mine: np.ndarray, other: np.ndarray, relative_beyond: float | None
) -> np.ndarray:
    mine, other = mine.astype(np.float64), other.astype(np.float64)
    # inf - inf and inf / inf are NaN, which is no small gap.
    with np.errstate(invalid="ignore"):
        gaps = np.abs(mine - other)
        if relative_beyond is not None:
            gaps /= np.maximum(1, np.abs(mine) / relative_beyond)
    return np.where(mine == other, 0, gaps)


def detection_agreement(
    expected: Sequence[Detections], actual: Sequence[Detections]
) -> DetectionAgreement:
    """Compare the final detections of two models on the same pictures, see `pair_up`.

    Args:
        expected: Detections per picture, best first.
        actual: Those of the other model, for the same pictures.
    """
    pairs = unmatched = 0
    box_gaps, score_gaps = [], []
    for mine, other in zip(expected, actual, strict=True):
        pairing = pair_up(mine, other)
        pairs += len(pairing.first)
        unmatched += len(pairing.missing) + len(pairing.surplus)
        box_gaps.append(np.abs(mine.boxes[pairing.first] - other.boxes[pairing.second]))
        score_gaps.append(
            np.abs(mine.scores[pairing.first] - other.scores[pairing.second])
        )
    return DetectionAgreement(
        pairs, unmatched, Difference.of(box_gaps), Difference.of(score_gaps)
    )


def pair_up(mine: Detections, other: Detections) -> Pairing:
    """Find the counterparts of two models' detections in one picture.

    A detection of the first is paired with the free one of the second that has the
    same class and overlaps it most, by half at least, the best scores first. Those
    whose score is below 0.05 on both sides are left out; one that merely crosses it is
    not missing.
    """
    overlaps = _overlaps(mine, other)
    free = np.ones(len(other), dtype=bool)
    first, second, missing = [], [], []
    for index in np.argsort(-mine.scores, kind="stable"):
        if mine.scores[index] < SCORE_THRESHOLD:
            break
        left = np.where(free, overlaps[index], -1)
        if left.max(initial=-1) < LEAST_OVERLAP:
            missing.append(index)
            continue
        best = left.argmax()
        free[best] = False
        first.append(index)
        second.append(best)
    weak = overlaps[mine.scores < SCORE_THRESHOLD] >= LEAST_OVERLAP
    surplus = free & (other.scores >= SCORE_THRESHOLD) & ~weak.any(axis=0)
    return Pairing(
        np.array(first, dtype=int),
        np.array(second, dtype=int),
        np.array(missing, dtype=int),
        np.flatnonzero(surplus),
    )


def _overlaps(mine: Detections, other: Detections) -> np.ndarray:
    """Return the IoU (N, M) of boxes, 0 between classes."""
    corners = (np.ascontiguousarray(found.boxes, np.float64) for found in (mine, other))
    overlaps: np.ndarray = box_iou(*map(torch.from_numpy, corners)).numpy()
    same_class: np.ndarray = mine.labels[:, None] == other.labels
    # Two boxes without area have no IoU.
    return np.where(same_class, np.nan_to_num(overlaps), 0)
