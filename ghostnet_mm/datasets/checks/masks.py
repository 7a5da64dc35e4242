"""Checks of the masks in a COCO annotation file.

mmdet stops in the middle of an epoch at a box without a mask, and pycocotools in the
middle of the evaluation.
"""

import os
from pathlib import Path

from ...errors import DataError
from .annotations import read_coco

NAMES_SHOWN = 3


def check_masks(ann_file: str | os.PathLike) -> None:
    """Make sure that every annotation of a file has a mask.

    Masks are lists of polygons, of which mmdet leaves out those under three points,
    and COCO's run lengths of the image's size.

    Raises:
        DataError: The file is not COCO, or annotations have no usable mask; the message
            states how many and names the first ones.
    """
    content = read_coco(ann_file)
    sizes = {
        image["id"]: [image["height"], image["width"]] for image in content["images"]
    }
    without = [
        entry["id"]
        for entry in content["annotations"]
        if not _is_mask(entry.get("segmentation"), sizes.get(entry["image_id"]))
    ]
    if without:
        shown = ", ".join(str(entry_id) for entry_id in without[:NAMES_SHOWN])
        more = ", ..." if len(without) > NAMES_SHOWN else ""
        raise DataError(
            f"{Path(ann_file)} has {len(without)} of {len(content['annotations'])} "
            f"annotations without a usable 'segmentation' (ids {shown}{more}), and the "
            "config needs masks; export them as polygons, or choose a config for boxes."
        )


def _is_mask(segmentation: object, size: list[int] | None) -> bool:
    if isinstance(segmentation, dict):
        return bool(segmentation.get("counts")) and segmentation.get("size") == size
    return isinstance(segmentation, list) and len(segmentation) > 0
