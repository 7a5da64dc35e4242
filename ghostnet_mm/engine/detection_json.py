"""What was found in a picture, as an entry of ``detections.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools import mask as coco_mask

from ..evaluation.panoptic_map import find_segments
from ..evaluation.shown_objects import Boxes, PanopticMap

if TYPE_CHECKING:
    from .image_sources import Picture


def picture_entry(
    picture: Picture,
    found: Boxes | PanopticMap,
    class_names: Sequence[str],
    threshold: float,
) -> dict[str, Any]:
    """Describe one picture.

    Args:
        picture: Where it comes from, and its pixels.
        found: What was found in it, best first.
        class_names: Names by label.
        threshold: Objects with a lower score are left out; segments have none.

    Returns:
        ``image`` or ``frame``, ``width``, ``height`` and either ``detections``, each
        with ``class``, ``label``, ``score``, ``bbox`` (corners in pixels) and, from a
        model with masks, ``segmentation`` (COCO's compressed RLE); or ``segments`` of a
        panoptic map, largest first, each with ``id``, ``class``, ``label``,
        ``is_thing`` and ``area`` in pixels.
    """
    height, width = picture.pixels.shape[:2]
    key = "frame" if isinstance(picture.name, int) else "image"
    entry = {key: picture.name, "width": width, "height": height}
    if isinstance(found, PanopticMap):
        entry["segments"] = _segments(found, class_names)
    else:
        entry["detections"] = _detections(found, class_names, threshold)
    return entry


def _segments(found: PanopticMap, class_names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "id": segment.id,
            "class": class_names[segment.label],
            "label": segment.label,
            "is_thing": segment.is_thing,
            "area": segment.area,
        }
        for segment in find_segments(found.ids, len(class_names))
    ]


def _detections(
    found: Boxes, class_names: Sequence[str], threshold: float
) -> list[dict[str, Any]]:
    detections = []
    for index in np.flatnonzero(found.scores >= threshold):
        label = int(found.labels[index])
        detections.append(
            {
                "class": class_names[label],
                "label": label,
                "score": round(float(found.scores[index]), 4),
                "bbox": [round(float(edge), 2) for edge in found.boxes[index]],
            }
        )
        if found.masks is not None:
            detections[-1]["segmentation"] = _run_lengths(found.masks[index])
    return detections


def _run_lengths(mask: np.ndarray) -> dict[str, Any]:
    # COCO counts down the columns.
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {
        "size": [int(side) for side in encoded["size"]],
        "counts": encoded["counts"].decode("ascii"),
    }
