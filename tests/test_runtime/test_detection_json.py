"""detections.json: boxes, and masks as COCO reads them."""

import json

import numpy as np
import pytest
from ghostnet_runtime import Detections
from ghostnet_runtime.detection_json import picture_entry
from ghostnet_runtime.picture_sources import Picture
from pycocotools import mask as coco_mask

NAMES = ("cat", "dog", "grass")
PIXELS = np.zeros((7, 11, 3), np.uint8)


def entry(found, threshold=0.3, name="street.jpg"):
    written = picture_entry(Picture(name, PIXELS), found, NAMES, threshold)
    return json.loads(json.dumps(written))


@pytest.fixture
def found():
    masks = np.zeros((3, 7, 11), bool)
    masks[0, 2:5, 1:9] = True
    masks[0, 3, 4] = False
    masks[1, :, 0] = True
    return Detections(
        np.array([[1, 2, 9, 5], [0, 0, 1, 7], [3, 3, 4, 4]], np.float32),
        np.array([0.9, 0.3, 0.2], np.float32),
        np.array([1, 0, 1]),
        masks,
    )


def test_boxes_above_the_threshold_are_listed(found):
    without = Detections(found.boxes, found.scores, found.labels)
    written = entry(without, threshold=0.25)
    assert written == {
        "image": "street.jpg",
        "width": 11,
        "height": 7,
        "detections": [
            {"class": "dog", "label": 1, "score": 0.9, "bbox": [1, 2, 9, 5]},
            {"class": "cat", "label": 0, "score": 0.3, "bbox": [0, 0, 1, 7]},
        ],
    }
    assert entry(without, 1.0, name=3) == {
        "frame": 3,
        "width": 11,
        "height": 7,
        "detections": [],
    }


def test_masks_are_read_back_by_pycocotools(found):
    written = entry(found, threshold=0.0)["detections"]
    assert len(written) == 3
    for detection, mask in zip(written, found.masks, strict=True):
        assert detection["segmentation"]["size"] == [7, 11]
        assert isinstance(detection["segmentation"]["counts"], str)
        decoded = coco_mask.decode(detection["segmentation"])
        np.testing.assert_array_equal(decoded.astype(bool), mask)
