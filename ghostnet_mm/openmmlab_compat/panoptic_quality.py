"""Panoptic quality, and segment ids as colors, under the names of ``panopticapi``.

The measure: Kirillov et al., Panoptic Segmentation (https://arxiv.org/abs/1801.00868).
The colors: COCO's panoptic format (https://cocodataset.org/#format-data), where the
PNG of an image holds a segment's id as red + 256 green + 65536 blue.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

VOID = 0
"""The id of pixels that belong to no segment."""
OFFSET = 256**3
"""One more than the largest id: ``truth * OFFSET + prediction`` names a pair."""


def rgb2id(color: np.ndarray | Sequence[int]) -> np.ndarray | int:
    """Turn colors into segment ids.

    Args:
        color: (H, W, 3) red, green, blue from 0 to 255, or one color.

    Returns:
        (H, W) int32, or one int.
    """
    if isinstance(color, np.ndarray) and color.ndim == 3:
        red, green, blue = np.moveaxis(color.astype(np.int32), -1, 0)
        ids: np.ndarray = red + 256 * green + 65536 * blue
        return ids
    red, green, blue = (int(value) for value in color)
    return red + 256 * green + 65536 * blue


def id2rgb(id_map: np.ndarray | int) -> np.ndarray | list[int]:
    """Turn segment ids into colors; the inverse of `rgb2id`.

    Args:
        id_map: (H, W) ids, or one id.

    Returns:
        (H, W, 3) uint8 red, green, blue, or a list of the three.

    Raises:
        ValueError: An id is negative, or `OFFSET` and more: three bytes cannot hold it.
    """
    ids = np.asarray(id_map)
    if ids.size and not 0 <= ids.min() <= ids.max() < OFFSET:
        raise ValueError(f"segment ids must lie between 0 and {OFFSET - 1}")
    ids = ids.astype(np.int64)
    colors = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1)
    if isinstance(id_map, np.ndarray):
        return colors.astype(np.uint8)
    listed: list[int] = colors.tolist()
    return listed


@dataclass
class PQStatCat:
    """The counts of one category.

    Attributes:
        iou: Sum of the matched pairs' intersection over union.
        tp: Matched pairs.
        fp: Predicted segments without a match.
        fn: True segments without a match.
    """

    iou: float = 0.0
    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __iadd__(self, other: PQStatCat) -> PQStatCat:
        self.iou += other.iou
        self.tp += other.tp
        self.fp += other.fp
        self.fn += other.fn
        return self


class PQStat:
    """The counts of every category; mmdet fills them in image by image.

    Attributes:
        pq_per_cat: Counts by category id; a new one starts at zero.
    """

    def __init__(self) -> None:
        self.pq_per_cat: dict[int, PQStatCat] = defaultdict(PQStatCat)

    def __getitem__(self, category_id: int) -> PQStatCat:
        return self.pq_per_cat[category_id]

    def __iadd__(self, other: PQStat) -> PQStat:
        for category_id, counts in other.pq_per_cat.items():
            self.pq_per_cat[category_id] += counts
        return self

    def pq_average(
        self, categories: Mapping[int, Mapping[str, object]], isthing: bool | None
    ) -> tuple[dict[str, float], dict[int, dict[str, float]]]:
        """Average over the categories that occur in the truth or the predictions.

        Args:
            categories: By id, each with its ``isthing`` of 0 or 1.
            isthing: Whether to average over things or stuff; ``None`` takes both.

        Returns:
            ``pq``, ``sq`` and ``rq`` from 0 to 1 with the number ``n`` of categories,
            and the three of each category, zero where it does not occur. The averages
            over no category at all are NaN.
        """
        per_category, present = {}, []
        for category_id, category in categories.items():
            if isthing is not None and bool(category["isthing"]) != isthing:
                continue
            # Not self[...]: asking for results must not add categories.
            counts = self.pq_per_cat.get(category_id, PQStatCat())
            scores = _scores(counts)
            per_category[category_id] = scores
            if counts.tp + counts.fp + counts.fn:
                present.append(scores)
        averages = {
            key: math.fsum(scores[key] for scores in present) / len(present)
            if present
            else math.nan
            for key in ("pq", "sq", "rq")
        }
        return {**averages, "n": len(present)}, per_category


def _scores(counts: PQStatCat) -> dict[str, float]:
    segments = counts.tp + (counts.fp + counts.fn) / 2
    return {
        "pq": float(counts.iou / segments) if segments else 0.0,
        "sq": float(counts.iou / counts.tp) if counts.tp else 0.0,
        "rq": counts.tp / segments if segments else 0.0,
    }
