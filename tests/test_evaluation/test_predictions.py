"""mmdet's predictions as entries of detections.json."""

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from ghostnet_mm.evaluation.predictions import PanopticMap, found_in

NAMES = ("cat", "dog", "grass")


def test_segments_are_listed_largest_first():
    ids = np.full((7, 11), 3)
    ids[:4] = 2
    ids[4, :5] = 1001
    segments = PanopticMap(ids, NAMES)
    assert segments.above(0.99).to_json() == {
        "segments": [
            {"id": 2, "class": "grass", "label": 2, "is_thing": False, "area": 44},
            {"id": 1001, "class": "dog", "label": 1, "is_thing": True, "area": 5},
        ],
    }


def test_objects_are_listed_best_first_with_their_class():
    """Catches labels and scores that change places: the classes order them apart."""
    sample = DetDataSample()
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[1.0, 2, 9, 5], [0, 0, 4, 4]]),
        labels=torch.tensor([1, 0]),
        scores=torch.tensor([0.25, 0.75]),
    )
    found = found_in(sample, list(NAMES))
    assert found.masks is None
    assert found.boxes.dtype == np.float32
    assert found.to_json()["detections"] == [
        {"class": "cat", "label": 0, "score": 0.75, "bbox": [0, 0, 4, 4]},
        {"class": "dog", "label": 1, "score": 0.25, "bbox": [1, 2, 9, 5]},
    ]


def test_masks_have_the_size_of_their_picture():
    """mmdet's heads scale back by a rounded factor: a column less, or a row more."""
    sample = DetDataSample(metainfo=dict(ori_shape=(5, 7)))
    sample.pred_instances = InstanceData(
        bboxes=torch.tensor([[0.0, 0, 6, 5]]),
        labels=torch.tensor([0]),
        scores=torch.tensor([0.5]),
        masks=torch.ones(1, 6, 6, dtype=torch.bool),
    )
    masks = found_in(sample, NAMES).masks
    assert masks.shape == (1, 5, 7)
    assert masks[:, :, :6].all()
    assert not masks[:, :, 6].any()
