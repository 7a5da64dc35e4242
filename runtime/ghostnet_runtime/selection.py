"""From a network's candidates to detections, by the rules of mmdet's heads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .description import SelectionRule
from .errors import ModelError
from .non_maximum_suppression import batched_nms
from .preprocessing import Placement


@dataclass(frozen=True)
class Selected:
    """The detections of one picture, best first.

    Attributes:
        boxes: (K, 4) float32 corners in pixels of the picture.
        scores: (K,) float32.
        labels: (K,) int64.
        priors: (K,) int64, which candidate each was.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    priors: np.ndarray


def select(
    boxes: np.ndarray,
    scores: np.ndarray,
    factors: np.ndarray | None,
    rule: SelectionRule,
    placement: Placement,
    least_score: float | None = None,
) -> Selected:
    """Choose detections among candidates.

    The order of steps is mmdet's: thresholds and the best of each level, clipping,
    scaling to the picture, score factors, the least size, suppression.

    Args:
        boxes: (P, 4) float32 in pixels of the network's input, or (P, C, 4) with boxes
            per class.
        scores: (P, C) float32, 0 to 1.
        factors: (P,) float32, multiplied to the scores of what was found.
        rule: What to select.
        placement: Where the picture lies in the input.
        least_score: Leave out detections with a lower score.

    Raises:
        ModelError: The description speaks of another number of candidates.
    """
    if rule.best_class:
        priors, labels, values = _best_classes(scores, factors, rule, least_score)
    else:
        found = []
        start = 0
        for count in level_sizes(rule, placement.input, len(scores)):
            level = slice(start, start + count)
            found.append(_best_of_level(scores, factors, level, rule, least_score))
            start += count
        priors, labels, values = (
            np.concatenate(part) for part in zip(*found, strict=True)
        )
        if factors is not None:
            values = values * factors[priors]
    chosen = boxes[priors, labels] if boxes.ndim == 3 else boxes[priors]
    if rule.clip:
        height, width = placement.clip
        border = np.array([width, height, width, height], dtype=np.float32)
        chosen = np.clip(chosen, np.float32(0), border)
    chosen = placement.to_picture(chosen)
    kept = _large_enough(chosen, rule.min_bbox_size)
    if least_score is not None:
        kept &= values >= np.float32(least_score)
    if not kept.all():
        priors, labels, values = priors[kept], labels[kept], values[kept]
        chosen = chosen[kept]
    best = batched_nms(chosen, values, labels, rule.iou_threshold, rule.max_per_img)
    return Selected(chosen[best], values[best], labels[best], priors[best])


def level_sizes(
    rule: SelectionRule, input_size: tuple[int, int], total: int
) -> tuple[int, ...]:
    """Return the number of candidates of each level.

    Args:
        rule: With their number, or the strides to count them from.
        input_size: Height and width of the network's input.
        total: Number of candidates that there are.

    Raises:
        ModelError: The sum is not ``total``.
    """
    if rule.levels is not None:
        sizes = rule.levels
    elif rule.per_level:
        cells = cells_per_level(rule.strides, input_size)
        sizes = tuple(a * b for a, b in zip(cells, rule.priors_per_cell, strict=True))
    else:
        sizes = (total,)
    check_total(sum(sizes), total)
    return sizes


def cells_per_level(
    strides: tuple[int, ...], input_size: tuple[int, int]
) -> tuple[int, ...]:
    """Return the number of cells of each level for an input (height, width)."""
    height, width = input_size
    return tuple(-(-height // stride) * -(-width // stride) for stride in strides)


def check_total(described: int, total: int) -> None:
    """Make sure that the model gives as many candidates as were counted.

    Raises:
        ModelError: It does not.
    """
    if described != total:
        raise ModelError(
            f"The model gives {total} candidates and its description counts "
            f"{described}; export it anew."
        )


def _best_classes(
    scores: np.ndarray,
    factors: np.ndarray | None,
    rule: SelectionRule,
    least_score: float | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return candidates with their best class and score times factor."""
    least = np.float32(max(rule.score_threshold, least_score or 0))
    if factors is None:
        factors = np.ones(len(scores), dtype=np.float32)
    # No score is above 1, so a factor below the threshold decides already.
    priors = np.flatnonzero(factors >= least)
    rows = scores[priors]
    labels = rows.argmax(axis=1)
    values = rows[np.arange(len(rows)), labels] * factors[priors]
    kept = values >= least
    return priors[kept], labels[kept], values[kept]


def _best_of_level(
    scores: np.ndarray,
    factors: np.ndarray | None,
    level: slice,
    rule: SelectionRule,
    least_score: float | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return candidates, labels and class scores of one level."""
    scores = scores[level]
    rows = None
    if rule.factor_threshold is not None and factors is not None:
        rows = np.flatnonzero(factors[level] >= np.float32(rule.factor_threshold))
        scores = scores[rows]
    flat = scores.reshape(-1)
    if least_score is not None and least_score > rule.score_threshold:
        pairs = np.flatnonzero(flat >= np.float32(least_score))
    else:
        pairs = np.flatnonzero(flat > np.float32(rule.score_threshold))
    values = flat[pairs]
    if rule.nms_pre is not None and len(values) > rule.nms_pre:
        best = _first_largest(values, rule.nms_pre)
        pairs, values = pairs[best], values[best]
    if factors is not None:
        # Products tie where scores do not; then the better score comes first.
        order = np.argsort(-values, kind="stable")
        pairs, values = pairs[order], values[order]
    priors, labels = np.divmod(pairs, scores.shape[1])
    if rows is not None:
        priors = rows[priors]
    return priors + level.start, labels, values


def _first_largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the largest values, in order; of equals the first."""
    last = np.partition(values, len(values) - count)[len(values) - count]
    above = np.flatnonzero(values > last)
    equal = np.flatnonzero(values == last)[: count - len(above)]
    return np.sort(np.concatenate([above, equal]))


def _large_enough(boxes: np.ndarray, least_side: float) -> np.ndarray:
    if least_side < 0:
        return np.ones(len(boxes), dtype=bool)
    sides = boxes[:, 2:] - boxes[:, :2]
    large: np.ndarray = (sides > np.float32(least_side)).all(axis=1)
    return large
