"""What was found in a picture, as an entry of ``detections.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .run_lengths import encode_mask

if TYPE_CHECKING:
    from .detector import Detections
    from .picture_sources import Picture


def picture_header(picture: Picture) -> dict[str, Any]:
    """Return ``image`` or ``frame``, ``width`` and ``height`` of a picture."""
    height, width = picture.pixels.shape[:2]
    key = "frame" if isinstance(picture.name, int) else "image"
    return {key: picture.name, "width": width, "height": height}


def picture_entry(
    picture: Picture, found: Detections, class_names: Sequence[str], threshold: float
) -> dict[str, Any]:
    """Describe one picture.

    Args:
        picture: Where it comes from, and its pixels.
        found: What was found in it, best first; anything with the arrays of
            `Detections`.
        class_names: Names by label.
        threshold: Objects with a lower score are left out.

    Returns:
        The keys of `picture_header` and ``detections``, each with ``class``,
        ``label``, ``score``, ``bbox`` (corners in pixels) and, from a model with masks,
        ``segmentation`` (COCO's compressed RLE).
    """
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
    return {**picture_header(picture), "detections": detections}
