"""detections.json of detectors of both kinds: segments, or boxes as the runtime's."""

import numpy as np
from ghostnet_runtime import Detections, detection_json
from ghostnet_runtime.picture_sources import Picture

from ghostnet_mm.engine.inference.detection_json import picture_entry
from ghostnet_mm.evaluation.shown_objects import Boxes, PanopticMap

NAMES = ("cat", "dog", "grass")
PICTURE = Picture(3, np.zeros((7, 11, 3), np.uint8))


def test_segments_are_listed_largest_first():
    ids = np.full((7, 11), 3)
    ids[:4] = 2
    ids[4, :5] = 1001
    assert picture_entry(PICTURE, PanopticMap(ids), NAMES, 0.3) == {
        "frame": 3,
        "width": 11,
        "height": 7,
        "segments": [
            {"id": 2, "class": "grass", "label": 2, "is_thing": False, "area": 44},
            {"id": 1001, "class": "dog", "label": 1, "is_thing": True, "area": 5},
        ],
    }


def test_boxes_are_listed_as_by_the_runtime():
    """Catches labels and scores that change places: the classes order them apart."""
    box, label, score = np.array([[1, 2, 9, 5]]), np.array([1]), np.array([0.9])
    entry = picture_entry(PICTURE, Boxes(box, label, score), NAMES, 0.3)
    found = Detections(box, score, label)
    assert entry == detection_json.picture_entry(PICTURE, found, NAMES, 0.3)
    assert entry["detections"][0]["class"] == "dog"
