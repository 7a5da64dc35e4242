"""What was found in a picture, as an entry of ``detections.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .detector import Detections
from .picture_sources import Picture
from .run_lengths import encode_mask


def picture_entry(
    picture: Picture, found: Detections, class_names: Sequence[str], threshold: float
) -> dict[str, Any]:
    """Describe one picture, as ghostnet_mm's ``tools/detect.py`` does.

    Args:
        picture: Where it comes from, and its pixels.
        found: What was found in it, best first.
        class_names: Names by label.
        threshold: Objects with a lower score are left out.

    Returns:
        ``image`` or ``frame``, ``width``, ``height`` and ``detections``, each with
        ``class``, ``label``, ``score``, ``bbox`` (corners in pixels) and, from a model
        with masks, ``segmentation`` (COCO's compressed RLE).
    """
    height, width = picture.pixels.shape[:2]
    key = "frame" if isinstance(picture.name, int) else "image"
    detections = []
    for index in np.flatnonzero(found.scores >= threshold):
        label = int(found.labels[index])
        entry = {
            "class": class_names[label],
            "label": label,
            "score": round(float(found.scores[index]), 4),
            "bbox": [round(float(edge), 2) for edge in found.boxes[index]],
        }
        if found.masks is not None:
            entry["segmentation"] = encode_mask(found.masks[index])
        detections.append(entry)
    return {
        key: picture.name,
        "width": width,
        "height": height,
        "detections": detections,
    }
