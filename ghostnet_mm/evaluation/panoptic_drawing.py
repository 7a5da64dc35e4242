"""Draw a panoptic map on a picture: tinted segments with their class names."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from ghostnet_runtime.drawing import class_color, draw_plate, plate_size, tint

from .panoptic_map import INSTANCE_OFFSET, Segment, find_segments

OPACITY = 0.5
BORDER = (255, 255, 255)


def draw_panoptic(
    image: np.ndarray, ids: np.ndarray, class_names: Sequence[str]
) -> np.ndarray:
    """Tint every segment, outline it and write its class where there is room.

    Objects of one class differ in brightness. Pixels of no segment stay as they are. A
    name is left out where its plate would be larger than the segment.

    Args:
        image: (H, W, 3) uint8 BGR; left as it is.
        ids: (H, W) mmdet's panoptic map, see `panoptic_map`.
        class_names: Names by label.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    canvas = np.ascontiguousarray(image).copy()
    segments = find_segments(ids, len(class_names))
    for segment in segments:
        tint(canvas, ids == segment.id, segment_color(segment), OPACITY)
    _draw_borders(canvas, np.where(np.isin(ids, [s.id for s in segments]), ids, 0))
    for segment in segments:
        _draw_name(canvas, ids, segment, class_names[segment.label])
    return canvas


def segment_color(segment: Segment) -> tuple[int, int, int]:
    """Return the BGR color of a segment: its class's hue, darker for every object."""
    blue, green, red = (value / 255 for value in class_color(segment.label))
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    step = segment.id // INSTANCE_OFFSET % 4
    red, green, blue = colorsys.hsv_to_rgb(
        hue, saturation * (1 - 0.1 * step), value * (1 - 0.15 * step)
    )
    return round(255 * blue), round(255 * green), round(255 * red)


def _draw_borders(canvas: np.ndarray, ids: np.ndarray) -> None:
    edge = np.zeros(ids.shape, np.uint8)
    edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
    edge[1:] |= ids[1:] != ids[:-1]
    width = max(1, round(min(ids.shape) / 400))
    canvas[cv2.dilate(edge, np.ones((width, width), np.uint8)) > 0] = BORDER


def _draw_name(
    canvas: np.ndarray, ids: np.ndarray, segment: Segment, name: str
) -> None:
    width, height = plate_size(canvas, name)
    if width * height > segment.area:
        return
    # The middle of the thickest part: the centroid may lie outside of the segment. The
    # rim keeps a segment that reaches the picture's edge from counting beyond it.
    inside = np.pad((ids == segment.id).astype(np.uint8), 1)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(np.argmax(depth), depth.shape)
    left = int(np.clip(x - width // 2, 0, max(canvas.shape[1] - width, 0)))
    top = int(np.clip(y - height // 2, 0, max(canvas.shape[0] - height, 0)))
    draw_plate(canvas, left, top, name, segment_color(segment))
