"""Detections in the forms of other tools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .detected_object import TRACK
from .libraries import import_library
from .run_lengths import encode_mask

if TYPE_CHECKING:
    from .detections import Detections


def coco_entries(
    detections: Detections, image_id: int, category_ids: Sequence[int] | None
) -> list[dict[str, object]]:
    """Return what `Detections.to_coco` does."""
    ids = range(len(detections.names)) if category_ids is None else category_ids
    entries = []
    for found in detections:
        x1, y1, x2, y2 = found.box.tolist()
        entry: dict[str, object] = {
            "image_id": image_id,
            "category_id": ids[found.label],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": found.score,
        }
        if found.mask is not None:
            entry["segmentation"] = encode_mask(found.mask)
        entries.append(entry)
    return entries


def supervision_detections(detections: Detections) -> Any:
    """Return what `Detections.to_supervision` does."""
    names = np.array(detections.names, dtype=str)[detections.labels]
    data = {name: rows for name, rows in detections.data.items() if name != TRACK}
    return import_library("supervision", "supervision").Detections(
        xyxy=detections.boxes,
        confidence=detections.scores,
        class_id=detections.labels,
        mask=detections.masks,
        tracker_id=detections.data.get(TRACK),
        data={"class_name": names, **data},
    )
