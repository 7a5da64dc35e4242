"""How far a quantized network's candidates are from those in float."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# Of a picture, by score: those that decide what is found.
CANDIDATES = 100

Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class OutputError:
    """Mean differences over the best candidates of either network.

    Attributes:
        score: Of the class whose score moved most, 0 to 1.
        overlap: One minus the IoU of the two boxes.
        decibels: Signal to quantization noise of these candidates' scores; ``None``
            without any noise.
    """

    score: float
    overlap: float
    decibels: float | None

    @property
    def total(self) -> float:
        """What layers are ranked by; 0 is perfect."""
        return self.score + self.overlap


def output_error(expected: Sequence[Outputs], actual: Sequence[Outputs]) -> OutputError:
    """Compare two networks on the same images.

    The 100 best candidates of each network are compared, so that both what is lost and
    what appears counts.

    Args:
        expected: Outputs in float: ``boxes`` (1, P, 4), ``scores`` (1, P, C) and
            perhaps ``score_factors`` (1, P), for each image.
        actual: The other network's.
    """
    gaps, overlaps, signal, noise = [], [], 0.0, 0.0
    for mine, other in zip(expected, actual, strict=True):
        first, second = _scores(mine), _scores(other)
        best = np.union1d(_best(first), _best(second))
        first, second = first[best], second[best]
        change = np.abs(first - second)
        gaps.append(change.max(1))
        overlaps.append(_iou(mine["boxes"][0][best], other["boxes"][0][best]))
        signal += float(np.square(first).sum())
        noise += float(np.square(change).sum())
    score = float(np.nan_to_num(np.concatenate(gaps), nan=1.0).mean())
    overlap = 1 - float(np.nan_to_num(np.concatenate(overlaps), nan=0.0).mean())
    decibels = 10 * math.log10(max(signal, 1e-30) / noise) if noise > 0 else None
    return OutputError(score, overlap, decibels)


def _scores(outputs: Outputs) -> np.ndarray:
    scores = np.float64(outputs["scores"][0])
    if "score_factors" in outputs:
        scores = scores * outputs["score_factors"][0][:, None]
    return scores


def _best(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores.max(1), kind="stable")[:CANDIDATES]


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the IoU of boxes in pairs, (N,)."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, 2:], second[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    sizes = [np.clip(each[:, 2:] - each[:, :2], 0, None) for each in (first, second)]
    union = sum(np.prod(size, axis=1) for size in sizes) - shared
    # Two boxes without an area are alike: they find nothing.
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 1.0)
