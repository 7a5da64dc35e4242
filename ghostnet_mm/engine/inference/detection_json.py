"""What was found in a picture, as an entry of ``detections.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ghostnet_runtime import detection_json

from ...evaluation.panoptic_map import find_segments
from ...evaluation.shown_objects import Boxes, PanopticMap

if TYPE_CHECKING:
    from ghostnet_runtime.picture_sources import Picture


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
        For boxes the runtime's entry. For a panoptic map ``image`` or ``frame``,
        ``width``, ``height`` and ``segments``, largest first, each with ``id``,
        ``class``, ``label``, ``is_thing`` and ``area`` in pixels.
    """
    if not isinstance(found, PanopticMap):
        return detection_json.picture_entry(picture, found, class_names, threshold)
    segments = [
        {
            "id": segment.id,
            "class": class_names[segment.label],
            "label": segment.label,
            "is_thing": segment.is_thing,
            "area": segment.area,
        }
        for segment in find_segments(found.ids, len(class_names))
    ]
    return {**detection_json.picture_header(picture), "segments": segments}
