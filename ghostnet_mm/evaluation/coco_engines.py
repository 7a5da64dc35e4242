"""COCO's precision and recall, computed by hotcoco or by pycocotools.

Both give the same arrays, bit for bit; pycocotools takes much longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from .without_prints import without_prints

try:
    import hotcoco
except ImportError:  # Told by whoever wanted it, with pycocotools in its place.
    hotcoco = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Found:
    """The N detections of all pictures as columns, in each picture's own order.

    Attributes:
        image_ids: (N,) COCO image ids.
        category_ids: (N,) COCO category ids.
        boxes: (N, 4) float64: left, top, width, height in pixels.
        scores: (N,) float64.
        masks: N run-length encodings where masks are judged, not boxes.
    """

    image_ids: np.ndarray
    category_ids: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    masks: Sequence[Mapping[str, Any]] | None = None

    @property
    def kind(self) -> str:
        """What is judged, by COCO's name: ``bbox`` or ``segm``."""
        return "bbox" if self.masks is None else "segm"


@dataclass(frozen=True)
class Rule:
    """What is counted, and how.

    Attributes:
        image_ids: The pictures that count.
        category_ids: The K classes, ascending, as both libraries sort them.
        overlaps: The T thresholds of IoU.
        limits: The M numbers of detections per class and picture, ascending.
    """

    image_ids: Sequence[int]
    category_ids: Sequence[int]
    overlaps: Sequence[float]
    limits: Sequence[int]


@dataclass(frozen=True, eq=False)
class Judged:
    """A detector's findings beside the truth: what every further look starts from.

    Attributes:
        truth: From `hotcoco_truth`.
        found: See `Found`.
        rule: See `Rule`.
        class_names: (K,) in the order of the rule's ``category_ids``.
    """

    truth: Any
    found: Found
    rule: Rule
    class_names: Sequence[str]

    def evaluation(self, *, by_size: bool = True) -> Any:
        """Return hotcoco's ``COCOeval``, matched."""
        return hotcoco_evaluation(self.truth, self.found, self.rule, by_size=by_size)


@dataclass(frozen=True, eq=False)
class CocoArrays:
    """What both libraries accumulate; -1 where there is nothing to find.

    Attributes:
        precision: (T, 101, K, 4, M): by overlap, recall, class, size of the object
            (all, small, medium, large) and limit.
        recall: (T, K, 4, M).
    """

    precision: np.ndarray
    recall: np.ndarray


def has_hotcoco() -> bool:
    """Whether the fast library is installed."""
    return hotcoco is not None


def hotcoco_truth(annotations: Mapping[str, Any]) -> Any:
    """Load a COCO annotation file's content into hotcoco.

    Args:
        annotations: With ``images``, ``annotations`` and ``categories``.
    """
    return hotcoco.COCO(dict(annotations))


def hotcoco_evaluation(
    truth: Any, found: Found, rule: Rule, *, by_size: bool = True
) -> Any:
    """Match detections with the truth and return hotcoco's ``COCOeval``.

    Args:
        truth: From `hotcoco_truth`.
        found: At least one detection.
        rule: See `Rule`.
        by_size: Whether small, medium and large objects are matched apart too.
    """
    table = np.column_stack(
        [found.image_ids, found.boxes, found.scores, found.category_ids]
    )
    if found.masks is None:
        loaded = truth.load_res(table)
    else:
        masks = [dict(mask) for mask in found.masks]
        loaded = truth.load_res(table, segmentation=masks)
        # Of a row it takes the box's area, and sizes of masks go by the mask's.
        areas = np.asarray(hotcoco.mask.area(masks)).astype(np.float64)
        loaded.update_anns(ids=np.arange(1, len(masks) + 1), area=areas)
    evaluation = hotcoco.COCOeval(truth, loaded, found.kind)
    params = evaluation.params
    params.img_ids = list(rule.image_ids)
    params.cat_ids = list(rule.category_ids)
    params.iou_thrs = list(rule.overlaps)
    params.max_dets = list(rule.limits)
    if not by_size:
        params.area_rng, params.area_rng_lbl = [[0.0, 1e10]], ["all"]
    evaluation.evaluate()
    return evaluation


def by_hotcoco(truth: Any, found: Found, rule: Rule) -> CocoArrays:
    """Compute the arrays with hotcoco; arguments as in `hotcoco_evaluation`."""
    evaluation = hotcoco_evaluation(truth, found, rule)
    evaluation.accumulate()
    return _arrays(evaluation.eval)


def by_pycocotools(
    truth: COCO, found: Found, rule: Rule, evaluator: type[COCOeval] = COCOeval
) -> CocoArrays:
    """Compute the arrays with pycocotools.

    Args:
        truth: The annotations.
        found: At least one detection.
        rule: See `Rule`.
        evaluator: mmdet has one that works in several processes.
    """
    with without_prints():
        loaded = truth.loadRes(_as_dictionaries(found))
        evaluation = evaluator(truth, loaded, found.kind)
        evaluation.params.imgIds = list(rule.image_ids)
        evaluation.params.catIds = list(rule.category_ids)
        evaluation.params.iouThrs = np.asarray(rule.overlaps)
        evaluation.params.maxDets = list(rule.limits)
        evaluation.evaluate()
        evaluation.accumulate()
    return _arrays(evaluation.eval)


def _arrays(accumulated: Mapping[str, Any]) -> CocoArrays:
    return CocoArrays(accumulated["precision"], accumulated["recall"])


def _as_dictionaries(found: Found) -> list[dict[str, Any]]:
    columns = (found.image_ids, found.category_ids, found.boxes, found.scores)
    listed = [
        dict(image_id=image, category_id=category, bbox=box, score=score)
        for image, category, box, score in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]
    if found.masks is not None:
        for detection, mask in zip(listed, found.masks, strict=True):
            # With a box, pycocotools would take the box's area for the mask's.
            del detection["bbox"]
            detection["segmentation"] = _compressed(mask)
    return listed


def _compressed(mask: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(mask["counts"], list):
        return coco_mask.frPyObjects(dict(mask), *mask["size"])
    return mask
