"""COCO's scores out of its arrays, all by one limit of detections.

pycocotools, and mmdet with it, cuts mAP at 100 detections per class and picture and
every other column at the largest limit, 1000, so that AP50 and AP of a class may come
from other detections than mAP. Here one limit holds for every column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..reporting.tables import Table
from .coco_engines import CocoArrays, Judged

STANDARD_LIMIT = 100
SIZES = {"": 0, "_s": 1, "_m": 2, "_l": 3}
AVERAGES = ("mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l")
RECALLS = ("AR@100", "AR@300", "AR@1000", "AR_s@1000", "AR_m@1000", "AR_l@1000")
ITEMS = (*AVERAGES, *RECALLS)


def precision_limit(limits: Sequence[int]) -> int:
    """Return at how many detections precision is cut: COCO's 100, or the most."""
    return STANDARD_LIMIT if STANDARD_LIMIT in limits else limits[-1]


def with_standard_limits(judged: Judged) -> Judged:
    """Return a judgement cut at 1, 10 and the number that AP is cut at."""
    limit = precision_limit(judged.rule.limits)
    limits = sorted({min(1, limit), min(10, limit), limit})
    return replace(judged, rule=replace(judged.rule, limits=limits))


def overall_scores(
    arrays: CocoArrays, overlaps: Sequence[float], limits: Sequence[int]
) -> dict[str, float]:
    """Return COCO's twelve scores under mmdet's names; -1 where nothing is to find.

    Average recall keeps mmdet's names, which stand for the first, the second and the
    last of the limits, whatever these are.

    Args:
        arrays: See `CocoArrays`.
        overlaps: The thresholds of IoU, (T,).
        limits: The limits of detections, (M,), ascending.
    """
    cut = list(limits).index(precision_limit(limits))
    scores = {}
    for suffix, size in SIZES.items():
        scores[f"mAP{suffix}"] = _mean(arrays.precision[..., size, cut], -1.0)
    for name, overlap in (("mAP_50", 0.5), ("mAP_75", 0.75)):
        is_it = np.asarray(overlaps) == overlap
        scores[name] = _mean(arrays.precision[is_it][..., 0, cut], -1.0)
    for name, index in (("AR@100", 0), ("AR@300", 1), ("AR@1000", 2)):
        recall = arrays.recall[..., 0, index : index + 1]
        scores[name] = _mean(recall, -1.0)
    for suffix, size in list(SIZES.items())[1:]:
        recall = arrays.recall[..., size, 2:3]
        scores[f"AR{suffix}@1000"] = _mean(recall, -1.0)
    return {name: scores[name] for name in ITEMS}


def class_scores(
    arrays: CocoArrays, overlaps: Sequence[float], limits: Sequence[int]
) -> np.ndarray:
    """Return (K, 6): the columns of `AVERAGES` for each class, NaN without objects."""
    cut = list(limits).index(precision_limit(limits))
    # (K, 4, T, 101): what belongs to a class side by side, for many classes.
    precision = np.ascontiguousarray(arrays.precision[..., cut].transpose(2, 3, 0, 1))
    at = [np.asarray(overlaps) == overlap for overlap in (0.5, 0.75)]
    scores = np.empty((len(precision), len(AVERAGES)))
    for row, by_size in zip(scores, precision, strict=True):
        of_all, *sizes = by_size
        for number, part in enumerate([of_all, *(of_all[it] for it in at), *sizes]):
            row[number] = _mean(part, float("nan"))
    return scores


def class_scores_table(names: Sequence[str], scores: np.ndarray) -> str:
    """Return mmdet's table of the classes for the log, see `class_scores`."""
    rows = [
        [name, *(f"{value}" for value in row)]
        for name, row in zip(names, scores.round(3).tolist(), strict=True)
    ]
    return Table.of(["category", *AVERAGES], rows).plain()


def _mean(values: np.ndarray, otherwise: float) -> float:
    # In this order of adding up the mean is pycocotools' own, to the last bit.
    counted = values[values > -1]
    return float(np.mean(counted)) if counted.size else otherwise
