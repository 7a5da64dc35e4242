"""mmdet's panoptic maps: one integer per pixel, ``label + 1000 * instance``.

Instances count from 1 within an image; stuff has instance 0. Pixels of no segment hold
the number of classes, and 0 once mmdet's evaluator has seen the map, for it writes
COCO's void id into it.
"""

from dataclasses import dataclass

import numpy as np

from ..errors import DataError

INSTANCE_OFFSET = 1000
VOID = 0


@dataclass(frozen=True)
class Segment:
    """One object, or all of one kind of stuff, in a panoptic map."""

    id: int  # of its pixels in the map, and in COCO's PNG
    label: int  # index into the class names
    area: int  # in pixels

    @property
    def is_thing(self) -> bool:
        """Whether it is an object rather than stuff."""
        return self.id >= INSTANCE_OFFSET


def find_segments(ids: np.ndarray, num_classes: int) -> list[Segment]:
    """Return the segments of a panoptic map, largest first.

    Args:
        ids: (H, W) the map.
        num_classes: Labels from there on are void.
    """
    values, areas = np.unique(ids, return_counts=True)
    segments = [
        Segment(int(value), int(value) % INSTANCE_OFFSET, int(area))
        for value, area in zip(values, areas, strict=True)
        if value != VOID and int(value) % INSTANCE_OFFSET < num_classes
    ]
    return sorted(segments, key=lambda segment: -segment.area)


def coco_png(ids: np.ndarray, num_classes: int) -> np.ndarray:
    """Return the map as the pixels of COCO's panoptic PNG.

    Args:
        ids: (H, W) the map.
        num_classes: Labels from there on are void.

    Returns:
        (H, W, 3) uint8 BGR, OpenCV's order: a segment's id is red + 256 green + 65536
        blue, and void is black.

    Raises:
        DataError: The map has more objects than three bytes can number.
    """
    ids = np.where(ids % INSTANCE_OFFSET < num_classes, ids, VOID).astype(np.int64)
    if ids.max(initial=0) >= 256**3:
        raise DataError("A picture has more than 16,776 objects; a PNG holds no more.")
    return np.stack([ids // 65536, ids // 256 % 256, ids % 256], -1).astype(np.uint8)
