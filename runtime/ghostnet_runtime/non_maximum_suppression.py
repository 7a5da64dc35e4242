"""Non-maximum suppression with the results of ``mmcv.ops.batched_nms``."""

from __future__ import annotations

import numpy as np

CHUNK = 128
# From so many boxes on, mmcv goes class by class; below, boxes of different classes are
# kept apart by moving them, which boxes that begin left of 0 can defeat.
CLASS_BY_CLASS_FROM = 10_000


def batched_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    iou_threshold: float | None,
    max_num: int | None = None,
) -> np.ndarray:
    """Drop boxes that overlap a better one of their class.

    Args:
        boxes: (N, 4) float32 corners x1, y1, x2, y2.
        scores: (N,) float32.
        labels: (N,).
        iou_threshold: A box goes when its IoU with a kept box is above this; ``None``
            keeps all.
        max_num: The most boxes to keep.

    Returns:
        (K,) int64 indices of the kept boxes, best first; equal scores come in the
        order of the input.
    """
    order: np.ndarray = np.argsort(-scores, kind="stable")
    if iou_threshold is None or not len(order):
        return order[:max_num]
    # Adding labels * (largest coordinate + 1) in float32 rounds the corners, which
    # decides close calls; so it is done as mmcv does.
    shift = labels.astype(np.float32) * (boxes.max() + np.float32(1))
    moved = (boxes + shift[:, None])[order]
    groups = labels[order] if len(order) >= CLASS_BY_CLASS_FROM else None
    kept: np.ndarray = order[_kept(moved, np.float32(iou_threshold), max_num, groups)]
    return kept


def _kept(
    boxes: np.ndarray,
    threshold: np.float32,
    max_num: int | None,
    groups: np.ndarray | None,
) -> np.ndarray:
    """Return the kept positions among boxes that come best first."""
    kept = np.empty(0, dtype=np.int64)
    for start in range(0, len(boxes), CHUNK):
        chunk = np.arange(start, min(start + CHUNK, len(boxes)))
        if len(kept):
            beaten = _overlap(boxes, kept, chunk, threshold, groups).any(axis=0)
            chunk = chunk[~beaten]
        over = _overlap(boxes, chunk, chunk, threshold, groups)
        alive = np.ones(len(chunk), dtype=bool)
        for i in np.flatnonzero(np.triu(over, 1).any(axis=1)):
            if alive[i]:
                alive[i + 1 :] &= ~over[i, i + 1 :]
        kept = np.concatenate([kept, chunk[alive]])
        if max_num is not None and len(kept) >= max_num:
            return kept[:max_num]
    return kept


def _overlap(
    boxes: np.ndarray,
    better: np.ndarray,
    worse: np.ndarray,
    threshold: np.float32,
    groups: np.ndarray | None,
) -> np.ndarray:
    """Say which pairs overlap too much, (better, worse) bool."""
    # Every operation and its order as in the compiled kernels, in float32.
    ax1, ay1, ax2, ay2 = (side[:, None] for side in boxes[better].T)
    bx1, by1, bx2, by2 = boxes[worse].T
    across = np.maximum(np.minimum(ax2, bx2) - np.maximum(ax1, bx1), 0)
    down = np.maximum(np.minimum(ay2, by2) - np.maximum(ay1, by1), 0)
    shared = across * down
    together = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared
    with np.errstate(divide="ignore", invalid="ignore"):
        over: np.ndarray = shared / together > threshold
    if groups is not None:
        over &= groups[better][:, None] == groups[worse]
    return over
