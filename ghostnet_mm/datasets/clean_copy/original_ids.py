"""Results in the ids of the user's own file rather than the clean copy's."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .copying import origins_for


def restore_ids(results: str | os.PathLike[str], coco_file: str) -> None:
    """Replace the ids in COCO results by those of the user's file, in place.

    A format without ids keeps the clean copy's: pictures by name from 1, classes from
    1; YOLO's classes have the numbers of their list. A class or picture that the user's
    file lacks among others has a negative id, which is no other's.

    Args:
        results: A JSON file of COCO results.
        coco_file: What was predicted on; nothing changes if it is no clean copy's.
    """
    origins = origins_for(coco_file)
    if origins is None:
        return
    path = Path(results)
    detections = json.loads(path.read_text(encoding="utf-8"))
    for detection in detections:
        for key, ids in (
            ("image_id", origins.pictures),
            ("category_id", origins.classes),
        ):
            original = ids[detection[key] - 1]
            if original is not None:
                detection[key] = original
    path.write_text(json.dumps(detections), encoding="utf-8")
