"""What a model found in a picture, whatever its kind, ready for drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ghostnet_runtime.drawing import draw_detections

from .panoptic_drawing import draw_panoptic

if TYPE_CHECKING:
    from mmdet.structures import DetDataSample


@dataclass(frozen=True)
class Boxes:
    """Objects of one picture, with boxes and perhaps masks."""

    boxes: np.ndarray  # (N, 4) x1, y1, x2, y2 in pixels of the picture
    labels: np.ndarray  # (N,) int, index into the class names
    scores: np.ndarray | None = None  # (N,) 0 to 1; None for ground truth
    masks: np.ndarray | None = None  # (N, H, W) bool


@dataclass(frozen=True)
class PanopticMap:
    """The segments of one picture."""

    ids: np.ndarray  # (H, W) int, see `panoptic_map`


def shown_in(sample: DetDataSample) -> Boxes | PanopticMap:
    """Take the predictions out of mmdet's sample, objects with the best score first."""
    if "pred_panoptic_seg" in sample:
        return PanopticMap(sample.pred_panoptic_seg.sem_seg[0].cpu().numpy())
    found = sample.pred_instances.cpu().numpy()
    order = np.argsort(-found.scores, kind="stable")
    boxes, masks = found.bboxes[order], None
    if "masks" in found:
        masks = found.masks[order]
        # SOLO and its kind predict no boxes; mmdet fills in zeros.
        if not boxes.any():
            boxes = boxes_around(masks)
    return Boxes(boxes, found.labels[order], found.scores[order], masks)


def boxes_around(masks: np.ndarray) -> np.ndarray:
    """Return the tight boxes (N, 4) of masks (N, H, W); an empty mask has zeros."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = (
            np.flatnonzero(mask.any(axis=1)),
            np.flatnonzero(mask.any(axis=0)),
        )
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def draw_shown(
    image: np.ndarray,
    shown: Boxes | PanopticMap,
    class_names: Sequence[str],
    score_threshold: float,
) -> np.ndarray:
    """Draw on a copy of the picture; see `draw_detections` and `draw_panoptic`."""
    if isinstance(shown, PanopticMap):
        return draw_panoptic(image, shown.ids, class_names)
    return draw_detections(
        image,
        shown.boxes,
        shown.labels,
        shown.scores,
        class_names,
        score_threshold,
        shown.masks,
    )
