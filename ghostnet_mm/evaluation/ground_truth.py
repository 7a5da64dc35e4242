"""What is annotated in a picture, straight from an mmdet dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from ghostnet_runtime import Detections
from pycocotools import mask as coco_mask

from ..errors import DataError
from .panoptic_map import INSTANCE_OFFSET, VOID
from .predictions import PanopticMap


def true_objects(
    info: dict[str, Any],
    shape: tuple[int, int],
    names: Sequence[str],
    with_masks: bool = False,
) -> Detections:
    """Return the annotated objects of an image with scores of 1, crowds left out.

    Args:
        info: What ``dataset.get_data_info(index)`` returned.
        shape: The image's (height, width).
        names: Of all classes, by label.
        with_masks: Whether to decode the masks too.
    """
    instances = [i for i in info["instances"] if not i.get("ignore_flag")]
    masks = None
    if with_masks:
        masks = np.zeros((len(instances), *shape), bool)
        for mask, instance in zip(masks, instances, strict=True):
            mask[:] = _decode(instance.get("mask"), shape)
    return Detections(
        np.array([i["bbox"] for i in instances], dtype=float).reshape(-1, 4),
        np.ones(len(instances)),
        np.array([i["bbox_label"] for i in instances], dtype=int),
        tuple(names),
        masks,
    )


def _decode(annotation: Any, shape: tuple[int, int]) -> np.ndarray:
    if not annotation:
        return np.zeros(shape, bool)
    if isinstance(annotation, list):
        annotation = coco_mask.merge(coco_mask.frPyObjects(annotation, *shape))
    elif isinstance(annotation["counts"], list):
        annotation = coco_mask.frPyObjects(annotation, *shape)
    return coco_mask.decode(annotation).astype(bool)


def true_panoptic_map(
    info: dict[str, Any], num_things: int, names: Sequence[str]
) -> PanopticMap:
    """Return the annotated segments of an image in mmdet's encoding; crowds are void.

    Args:
        info: What ``dataset.get_data_info(index)`` of a panoptic dataset returned.
        num_things: Labels below it are things.
        names: Of all classes, by label.

    Raises:
        DataError: The PNG cannot be read.
    """
    png = cv2.imread(info["seg_map_path"], cv2.IMREAD_COLOR)
    if png is None:
        raise DataError(f"The segment PNG {info['seg_map_path']} cannot be read.")
    blue, green, red = np.moveaxis(png.astype(np.int32), -1, 0)
    coco_ids = red + 256 * green + 65536 * blue
    ids = np.full(coco_ids.shape, VOID, np.int32)
    for number, segment in enumerate(info["segments_info"], start=1):
        label = segment["category"]
        if segment["is_thing"]:
            ids[coco_ids == segment["id"]] = label + INSTANCE_OFFSET * number
        elif label >= num_things:
            ids[coco_ids == segment["id"]] = label
    return PanopticMap(ids, tuple(names))
